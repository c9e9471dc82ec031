//! How far an order on a long queue has come.

use admin::api::Changed;
use serde::Serialize;

use crate::{commands::progress, terminal::count};

/// One line for programs.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    looked_at: u64,
    in_queue: u64,
    messages: u64,
    recipients: u64,
}

/// `hold  [##########--------------]  42 %  419000 recipients`. Mail that comes in meanwhile is looked at too.
pub(super) fn bar(verb: &str, so_far: &Changed) -> String {
    progress::bar(verb, (so_far.looked_at, so_far.in_queue), &count(so_far.recipients, "recipient"))
}

pub(super) fn line(so_far: &Changed) -> Line {
    let Changed { looked_at, in_queue, messages, recipients, .. } = *so_far;
    Line { looked_at, in_queue, messages, recipients }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(looked_at: u64, in_queue: u64, recipients: u64) -> Changed {
        Changed { looked_at, in_queue, recipients, messages: recipients, ..Changed::default() }
    }

    #[test]
    fn the_bar_grows_with_what_was_looked_at() {
        for (so_far, shown) in [
            (changed(0, 1_000_000, 0), "hold  [------------------------]   0 %  0 recipients"),
            (changed(420_000, 1_000_000, 1), "hold  [##########--------------]  42 %  1 recipient"),
            (changed(1_000_100, 1_000_000, 7), "hold  [########################] 100 %  7 recipients"),
            (changed(0, 0, 0), "hold  [------------------------]   0 %  0 recipients"),
        ] {
            assert_eq!(bar("hold", &so_far), shown);
        }
    }

    #[test]
    fn a_line_is_one_document() {
        let text = r#"{"looked_at":20000,"in_queue":1000000,"messages":3,"recipients":3}"#;
        assert_eq!(serde_json::to_string(&line(&changed(20_000, 1_000_000, 3))).unwrap(), text);
    }
}
