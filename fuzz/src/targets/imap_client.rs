//! What an IMAP server says to who takes mail over: the same whatever the cuts; a message that passed through has as many octets as is said; what waits is
//! bounded.

use imap::client::{Body, Event, Reader, Response};

use crate::source::{Source, pieces};

pub(crate) fn run(octets: &[u8]) {
    let mut source = Source(octets);
    let size = source.octet();
    let whole = read(std::iter::once(source.0));
    let cut = read(pieces(source.0, size));
    assert!(whole == cut, "{whole:?}\n{cut:?}");
}

/// All events, the pieces of a message put together; and whether it broke.
fn read<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, bool) {
    let (mut reader, mut events) = (Reader::default(), Vec::<Event>::new());
    for part in parts {
        let mut rest = part;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(reader.wants()));
            assert!(!now.is_empty(), "waits, and takes nothing");
            reader.push(now);
            rest = later;
            loop {
                match reader.next_event() {
                    Ok(Event::Hungry) => break,
                    Ok(Event::Piece(piece)) => match events.last_mut() {
                        Some(Event::Piece(before)) => before.extend(piece),
                        _ => events.push(Event::Piece(piece)),
                    },
                    Ok(event) => {
                        check(&event, events.last());
                        events.push(event);
                    }
                    Err(_) => {
                        assert!(reader.next_event().is_err(), "goes on behind what is broken");
                        return (events, true);
                    }
                }
            }
        }
    }
    (events, false)
}

/// What passed through stands right before its response, and nothing else does.
fn check(event: &Event, before: Option<&Event>) {
    let passed = match event {
        Event::Response(Response::Fetch(fetched)) => match fetched.body {
            Some(Body::Passed(octets)) => Some(octets),
            _ => None,
        },
        _ => None,
    };
    let came = match before {
        Some(Event::Piece(octets)) => Some(octets.len() as u64),
        _ => None,
    };
    assert_eq!(passed, came);
}
