//! Odd forms one by one, and the reasons why some are not told as Dovecot tells them (docs/design/mime.md).

/// Why we tell something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A line that is no field ends the header section (RFC 7103 §7.2).
    HeaderEnd,
    /// What is no type is text/plain (RFC 2045 §5.2).
    NoType,
    /// A value is read as far as it can be.
    Lenient,
    /// What stands behind broken addresses is read, too.
    Addresses,
    /// message/global is a message (RFC 9051 §7.5.2).
    Global,
    /// Given twice, one counts, not halves of both.
    Twice,
    /// Fields of MIME count without MIME-Version, too.
    NotMime,
    /// Octets are those that FETCH sends: lines end as they do in the message.
    BareLf,
    /// What stands for NUL.
    Nul,
}

/// A form.
pub(super) struct Form {
    /// The whole message but MIME-Version, or, without an empty line in it, fields of one. `|` stands for CR LF.
    pub(super) text: &'static str,
    /// Nothing: it is told as Dovecot tells it.
    pub(super) reason: Option<Reason>,
}

impl Form {
    /// The message.
    pub(super) fn content(&self) -> Vec<u8> {
        let text =
            if self.text.contains("||") { self.text.to_owned() } else { format!("{}||body|", self.text) };
        let version = if self.reason == Some(NotMime) { "" } else { "MIME-Version: 1.0|" };
        let text = match text.strip_prefix("From anna Mon|") {
            Some(rest) => format!("From anna Mon|{version}{rest}"),
            None => format!("{version}{text}"),
        };
        text.replace('|', "\r\n").into_bytes()
    }
}

const fn same(text: &'static str) -> Form {
    Form { text, reason: None }
}

const fn differs(reason: Reason, text: &'static str) -> Form {
    Form { text, reason: Some(reason) }
}

use Reason::{Addresses, BareLf, Global, HeaderEnd, Lenient, NoType, NotMime, Nul, Twice};

/// All of them.
pub(super) const FORMS: &[Form] = &[
    // Header sections.
    same("Subject: one|Subject: two|From: a@b|From: c@d|Date: 1|Date: 2|Message-ID: <1>|Message-ID: <2>"),
    same("Subject : a|From\t: a@b"),
    same("From anna Mon|Subject: a"),
    same("Subject: \u{e9}|From: \"\u{e9}\" <\u{e9}@\u{e9}>"),
    same("Content-Type: text/html| |X: y"),
    same("Subject:||"),
    differs(HeaderEnd, "Subject: a|junk line|From: a@b"),
    differs(HeaderEnd, "Content-Type: multipart/mixed; boundary=b|--b||x|--b--|"),
    differs(
        HeaderEnd,
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: text/html|junk||body|--b--|",
    ),
    differs(Nul, "Subject: a\0b"),
    // Content-Type.
    same("Content-Type: text/html (comment); (c) charset=(d)\"a\"(e)"),
    same("Content-Type: text/plain;;;a=b"),
    same("Content-Type: text/plain; c=d e; f=\"g\"h"),
    same("Content-Type: text/plain; [a]=b; c=d"),
    same("Content-Type: text/html|Content-Type: image/png"),
    same("Content-Type: application/x; a=b; a=c; A=d"),
    same("Content-Type: application/x; name*0=a; name*2=c"),
    same("Content-Type: application/x; name*1=b; name*0=a; c=d"),
    same("Content-Type: application/x; name=plain; name*=utf-8''other"),
    same("Content-Type: application/x; name*0*=utf-8'en'%e2%82; name*1*=%ac; name*2=x%41"),
    same("Content-Type: application/x; name*00=a; name*01=b"),
    same("Content-Type: application/x; name*10=a"),
    differs(NoType, "Content-Type: text"),
    differs(NoType, "Content-Type: text/"),
    differs(NoType, "Content-Type:"),
    differs(NoType, "Content-Type: te xt/plain"),
    differs(NoType, "Content-Type: text/plain charset=utf-8"),
    differs(Lenient, "Content-Type: text/plain; a=\"b"),
    same("Content-Type: text/plain; a=; c=d"),
    differs(Lenient, "Content-Type: text/plain; a; c=d"),
    differs(Lenient, "Content-Type: text/plain; a=b/c"),
    differs(Lenient, "Content-Type: application/x; boundary=----=_Part"),
    differs(Lenient, "Content-Type: multipart/mixed; boundary=\"b \"||--b||1|--b--|"),
    // The other fields of a part.
    same("Content-Transfer-Encoding:"),
    same("Content-Transfer-Encoding: base64|Content-Transfer-Encoding: 8bit"),
    same("Content-Disposition: attachment; filename=x"),
    differs(Twice, "Content-Disposition: inline|Content-Disposition: attachment"),
    same("Content-Disposition:"),
    same("Content-Disposition: ;filename=x"),
    same("Content-Disposition: attachment; filename=a b"),
    same("Content-Language: en,,de,"),
    same("Content-Language: en de"),
    same("Content-Language: en|Content-Language: de"),
    same("Content-ID:|Content-Description:|Content-MD5:|Content-Location:"),
    same("Content-ID: a|Content-ID: b|Content-Location: c|Content-Location: d"),
    same("Content-Location: (c) x \"y\"|Content-MD5: (c) x"),
    differs(Lenient, "Content-Transfer-Encoding: quoted-printable; x"),
    differs(Lenient, "Content-Disposition: \"attachment\"; filename=x"),
    differs(NotMime, "Content-Transfer-Encoding: base64"),
    differs(NotMime, "Content-Disposition: attachment|Content-Language: en|Content-ID: <a>"),
    // Multiparts.
    same("Content-Type: multipart/mixed; boundary=b||pre|--b||one|--b||two|three||--b--|epi|"),
    same("Content-Type: multipart/mixed; boundary=b||--b||one|--b||two"),
    same("Content-Type: multipart/mixed||--b||one|--b--|"),
    same("Content-Type: multipart/mixed; boundary=\"\"||--b||one|--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||nothing|"),
    same("Content-Type: multipart/mixed; boundary=b||--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b|--b||--b|||--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b|Content-Type: text/html|--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b||one|--bc||two|--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b||one|--b--foo|--b||two|--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b||1|--b--|--b||2|--b--|"),
    same(
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: multipart/x; boundary=bb||--bb||1|--bb--|--b||3|--b--|",
    ),
    same(
        "Content-Type: multipart/mixed; boundary=bb||--bb|Content-Type: multipart/x; boundary=b||--b||1|--b--|--bb||3|--bb--|",
    ),
    same(
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: multipart/x; boundary=b||--b||1|--b--|--b||3|--b--|",
    ),
    same(
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: multipart/x; boundary=c||--c||1|--b||3|--b--|",
    ),
    same("Content-Type: multipart/mixed; boundary=b; boundary=c||--b||1|--c||2|--b--|"),
    same("Content-Type: multipart/mixed; boundary*0=b; boundary*1=c||--bc||1|--bc--|"),
    same(
        "Content-Type: multipart/mixed; boundary=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx||--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx||1|",
    ),
    differs(BareLf, "Content-Type: multipart/mixed; boundary=b||--b\n\n1\n2\n--b--\n"),
    // Messages.
    same("Content-Type: message/rfc822||Subject: in||x|"),
    differs(HeaderEnd, "Content-Type: message/rfc822|Content-Transfer-Encoding: base64||U3ViamVjdA==|"),
    same("Content-Type: multipart/mixed; boundary=b||--b|Content-Type: message/rfc822||--b--|"),
    same("Content-Type: multipart/mixed; boundary=b||--b|Content-Type: message/rfc822||Subject: x|--b--|"),
    same(
        "Content-Type: multipart/mixed; boundary=b||--b|Content-Type: message/rfc822||Content-Type: multipart/x; boundary=c||--c||1|--c--|--b--|",
    ),
    same(
        "Content-Type: multipart/digest; boundary=b||--b||Subject: in||x|--b|Content-Type: text/plain||y|--b--|",
    ),
    differs(Global, "Content-Type: message/global||Subject: in||x|"),
    // Addresses.
    same(
        "To: undisclosed-recipients:;|Cc: G: a@b, \"X Y\" <c@d>;, e@f|Bcc: <@r1,@r2:l@h>, A (b) <x@y>, z@w (Zed)",
    ),
    same("To: =?utf-8?q?a_b?= <a@b>|Cc: \"a\" \"b\" c <x@y>|Bcc: (c) a@b (d) (e)|Reply-To: a.b. c <x@y>"),
    same("To: Anna|Cc: a@|Bcc: @b|Reply-To: <>|Sender: <a>"),
    same("To: \"a b\"@c|Cc: a@[1.2.3.4]|Reply-To: mailto:a@b"),
    same("To: G:|Cc: :;|Bcc: Doe, John <a@b>|From: <@a,,@b: c@d>, <@a :c@d>"),
    same("From: A <a@b> <c@d>|To: a@b c@d"),
    differs(Addresses, "To: a . b @ c . d"),
    differs(Addresses, "To: a(c)b@d"),
    differs(Addresses, "To: , ,a@b,,"),
    differs(Addresses, "To: a b c@d"),
    differs(Addresses, "To: a@b; c@d"),
    differs(Addresses, "To: a@b c@d, e@f"),
    differs(Addresses, "To: anna@b.c <anna@b.c>"),
    differs(Addresses, "To: <a@b"),
    differs(Addresses, "To: \"unterminated <a@b>"),
    differs(Addresses, "To: a [b] <c@d>"),
    differs(Addresses, "To: <a b@c>"),
];
