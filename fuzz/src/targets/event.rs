//! A line of the event log: any octets are read or passed over, and what was read is written to the same.

use events::{Event, Query};

pub(crate) fn run(line: &[u8]) {
    if let Some(event) = Event::from_line(line) {
        let written = event.to_line();
        assert!(!written.contains(&b'\n'), "one event, one line");
        assert_eq!(Event::from_line(&written), Some(event), "{}", String::from_utf8_lossy(&written));
    }
    if let Ok(text) = std::str::from_utf8(line) {
        let _ = Query::guess(text);
        if let Some(time) = events::parse_time(text) {
            assert_eq!(events::parse_time(&time.to_string()), Some(time), "{text}");
        }
    }
}
