//! The configuration file: what is wrong is told with its place and in words, and what is right is shown so that it is read the same.

pub(crate) fn run(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let read = postrider::parts::read_config(text);
    match read {
        Ok(shown) => {
            // Secrets are not shown, so what has any does not come back.
            if !shown.contains("not shown") {
                let again = postrider::parts::read_config(&shown);
                assert_eq!(again.as_ref(), Ok(&shown), "what is shown is read otherwise");
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a word");
            let lines = text.split('\n').count();
            for mistake in mistakes {
                assert!((1..=lines).contains(&mistake.line), "{mistake:?}");
                assert!(mistake.column >= 1 && !mistake.message.trim().is_empty(), "{mistake:?}");
                assert!(mistake.hint.is_none_or(|hint| !hint.trim().is_empty()));
            }
        }
    }
}
