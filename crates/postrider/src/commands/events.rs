//! `postrider events`: what happened, and what happens now.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
};

use admin::EventFilter;
use disk::Clock;
use events::{Event, Reader, Start};

use super::trace;
use crate::{
    cli::Events,
    client::{ClientError, encoded, stream},
    config,
    failure::Failure,
    place,
    terminal::clean,
};

pub(crate) fn run(wanted: &Events, json: bool) -> Result<(), Failure> {
    let dir = place::data_dir(&wanted.place)?;
    let parameters = parameters(wanted);
    // A mistake is told whether a server runs or not.
    let filter = filter(&parameters)?;
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let path = format!("/v1/events?follow={}&{}", wanted.follow, pairs.join("&"));
    let told = super::run(async {
        Ok(stream(&config::control_socket(&dir), path.trim_end_matches('&'), |line| show(line, json)).await)
    })?;
    match told {
        Ok(ControlFlow::Continue(())) if wanted.follow => Err(Failure::new("the server has stopped")),
        Ok(_) => Ok(()),
        Err(ClientError::NotRunning(_)) if !wanted.follow && config::events_dir(&dir).is_dir() => {
            read(&dir, &filter, json)
        }
        Err(error) => Err(error.into()),
    }
}

/// The parameters of the request, which the filter reads too.
fn parameters(wanted: &Events) -> Vec<(&'static str, String)> {
    let since = wanted.since.as_ref().map(|text| {
        let age = config::duration(text).ok();
        age.map_or_else(|| text.clone(), |age| age.as_secs().to_string())
    });
    let lists = [("id", &wanted.id), ("to", &wanted.to), ("from", &wanted.from), ("kind", &wanted.kind)];
    let lists =
        lists.into_iter().flat_map(|(name, list)| list.iter().map(move |value| (name, value.clone())));
    lists.chain(since.map(|since| ("since", since))).collect()
}

fn filter(parameters: &[(&'static str, String)]) -> Result<EventFilter, Failure> {
    let (mut filter, now) = (EventFilter::default(), disk::SystemClock.now());
    for (name, value) in parameters {
        let taken = filter.take(name, value, now);
        taken.map_err(|problem| Failure::usage(format!("--{}", problem.detail.unwrap_or(problem.title))))?;
    }
    Ok(filter)
}

/// Without a server: what it left.
fn read(dir: &Path, filter: &EventFilter, json: bool) -> Result<(), Failure> {
    let reader = Reader::new(config::events_dir(dir), Arc::new(disk::OsDisk));
    let mut result = Ok(());
    let from = Start { after: 0, since: filter.since() };
    let scanned = reader.scan(from, &mut |event, line| {
        if !filter.takes(&event) {
            return ControlFlow::Continue(());
        }
        match show(line, json) {
            Ok(flow) => flow,
            Err(failure) => {
                result = Err(failure);
                ControlFlow::Break(())
            }
        }
    });
    scanned.map_err(Failure::new)?;
    result
}

/// Prints an event; breaks when nobody reads any more.
fn show(line: &[u8], json: bool) -> Result<ControlFlow<()>, Failure> {
    let Some(event) = Event::from_line(line) else { return Ok(ControlFlow::Continue(())) };
    let text = if json {
        String::from_utf8_lossy(line).into_owned()
    } else {
        let station = clean(&event.station);
        format!("{}  {}  {station:<15} {}", trace::time(&event), event.id, trace::sentence(&event))
    };
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        // `postrider events | head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Failure::new(format!("cannot write to standard output: {error}"))),
    }
}
