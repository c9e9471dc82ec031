//! Whether a refusal means that we send too much: a judgement of us, at this moment, and not of the message.

use mail::Reply;

/// What hosts say when they have enough of us, in lower case.
const PHRASES: &[&str] = &[
    "too many connections",
    "too many concurrent",
    "too many sessions",
    "too many messages",
    "too many mails",
    "too many emails",
    "too much mail",
    "rate limit",
    "ratelimit",
    "sending limit",
    "sending quota",
    "sending rate",
    "submissionquotaexceeded",
    "daily limit",
    "daily quota",
    "daily message quota",
    "hourly limit",
    "message quota",
    "maximum credits",
    "connection limit",
    "throttl",
    "slow down",
];

/// Whether a 4yz or 5yz reply says so, by its enhanced status code or in words.
pub(crate) fn says_so(reply: &Reply) -> bool {
    // RFC 3463 §3.5: X.4.5 is congestion, and what providers say for a spent quota. The registry has X.7.28: mail flood.
    let by_status = reply.enhanced().is_some_and(|status| {
        matches!((status.class, status.subject, status.detail), (4 | 5, 4, 5) | (4 | 5, 7, 28))
    });
    let refused = reply.code() >= 400;
    let in_words = || {
        let text = reply.to_string().to_ascii_lowercase();
        PHRASES.iter().any(|phrase| text.contains(phrase))
    };
    refused && (by_status || in_words())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_of_us_is_told_from_too_much_of_something_else() {
        for (reply, so) in [
            ("421 4.7.0 Too many concurrent SMTP connections; please try again later", true),
            ("450 4.7.1 Error: too much mail from 192.0.2.1", true),
            ("550 5.4.5 Daily user sending limit exceeded", true),
            ("451 4.7.28 Unusual rate of mail", true),
            ("421 RP-001 The mail server IP connecting has exceeded the rate limit", true),
            ("554 Too many messages in this session", true),
            ("554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed", true),
            ("550 5.1.90 You have reached your daily limit for message recipients", true),
            ("554 Throttling failure: Daily message quota exceeded.", true),
            ("550 5.7.1 Maximum credits exceeded", true),
            ("452 4.5.3 Too many recipients", false),
            ("554 5.4.6 Too many hops", false),
            ("552 5.2.2 Mailbox full: quota exceeded", false),
            ("552 5.3.4 Message size exceeds limit", false),
            ("550 5.1.1 Unknown", false),
            ("250 2.0.0 Too many messages", false),
        ] {
            let (code, text) = reply.split_once(' ').unwrap();
            let code = code.parse().unwrap();
            let parsed = match text.split_once(' ').map(|(status, rest)| (status.parse(), rest)) {
                Some((Ok(status), rest)) => Reply::new(code, status, rest),
                _ => Reply::plain(code, text),
            };
            assert_eq!(says_so(&parsed), so, "{reply}");
        }
    }
}
