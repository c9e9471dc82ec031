//! Whether a refusal means that a host that we chose misses our login: a judgement of our settings, and not of the message.

use mail::Reply;
use smtp::client::Phase;

/// What hosts say that want a login, in lower case.
const PHRASES: &[&str] =
    &["client not authenticated", "client was not authenticated", "unauthenticated sender"];

/// The same, where it is said of the sender; of a recipient it may mean that this one takes no mail of strangers.
const OF_THE_SENDER: &[&str] = &["authentication required", "authentication is required"];

/// Whether a 5yz reply says so, by its enhanced status code or in words.
pub(crate) fn says_so(phase: Phase, reply: &Reply) -> bool {
    // RFC 5248 §4 and its registry: X.7.8 credentials, X.7.9 too weak, X.7.11 encryption, X.7.13 the account is disabled.
    let by_status = reply.enhanced().is_some_and(|status| {
        (status.class, status.subject) == (5, 7) && matches!(status.detail, 8 | 9 | 11 | 13)
    });
    let in_words = || {
        let text = reply.to_string().to_ascii_lowercase();
        let of_the_sender = if phase == Phase::Mail { OF_THE_SENDER } else { &[] };
        PHRASES.iter().chain(of_the_sender).any(|phrase| text.contains(phrase))
    };
    reply.code() >= 500 && (by_status || in_words())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_is_missed_is_told_from_a_message_that_is_not_wanted() {
        for (phase, reply, so) in [
            (Phase::Mail, "550 5.1.0 Authentication required", true),
            (Phase::Mail, "550 SMTP authentication is required.", true),
            (Phase::Mail, "550 Unauthenticated senders not allowed", true),
            (Phase::Rcpt, "550 5.7.57 Client not authenticated to send mail", true),
            (Phase::DataFinal, "554 5.7.13 The account is disabled", true),
            (Phase::Rcpt, "550 5.7.8 No", true),
            (Phase::Rcpt, "550 5.7.1 RESOLVER.RST.AuthRequired; authentication required", false),
            (
                Phase::DataFinal,
                "550 5.7.26 This mail is blocked because the sender is unauthenticated",
                false,
            ),
            (Phase::Mail, "550 5.7.1 Spam", false),
            (Phase::Mail, "450 4.7.8 Authentication required", false),
        ] {
            let (code, text) = reply.split_once(' ').unwrap();
            let code = code.parse().unwrap();
            let parsed = match text.split_once(' ').map(|(status, rest)| (status.parse(), rest)) {
                Some((Ok(status), rest)) => Reply::new(code, status, rest),
                _ => Reply::plain(code, text),
            };
            assert_eq!(says_so(phase, &parsed), so, "{reply}");
        }
    }
}
