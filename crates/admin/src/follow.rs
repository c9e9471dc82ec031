//! The event log as a stream: what happened, and with `follow` what happens from now on.

use std::{convert::Infallible, ops::ControlFlow, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
};
use events::{Event, EventsError, Reader, Start};
use http_body_util::channel::{Channel, Sender};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};

use crate::{
    Control, EventFilter, Problem,
    query::{self, Params},
    queue::Pairs,
};

/// Chunks that wait for a slow client.
const CHUNKS_MAX: usize = 16;
/// Octets of a chunk, about.
const CHUNK_OCTETS: usize = 16 * 1024;
/// Lines that wait for a slow follower; if there are more, it goes on from the files.
const LINES_MAX: usize = 1024;
/// An empty line is sent when nothing has happened for so long: a client that has gone is noticed by it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// `GET /v1/events`: lines of JSON. Parameters: those of the filter, and `follow=true`.
pub(crate) async fn events(
    Shared(control): Shared<Control>,
    params: Params<Pairs>,
) -> Result<Response, Problem> {
    let now = control.clock.now();
    let (mut filter, mut follow) = (EventFilter::default(), false);
    for (name, value) in &query::params(params)? {
        match (name.as_str(), value.as_str()) {
            ("follow", "true") => follow = true,
            ("follow", "false") => {}
            _ if filter.take(name, value, now)? => {}
            _ => {
                return Err(Problem::bad_request(format!(
                    "there is no parameter `{name}` with such a value"
                )));
            }
        }
    }
    let (sender, body) = Channel::<Bytes, Infallible>::new(CHUNKS_MAX);
    let mut stop = control.stop.clone();
    let teller = Teller { control, filter, sender, last: 0 };
    tokio::spawn(async move {
        tokio::select! {
            () = stop.requested() => {}
            () = teller.tell(follow) => {}
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::new(body)).into_response())
}

/// Tells one client.
struct Teller {
    control: Control,
    filter: EventFilter,
    sender: Sender<Bytes, Infallible>,
    /// The LSN of the last event that was looked at.
    last: u64,
}

impl Teller {
    async fn tell(mut self, follow: bool) {
        if !follow {
            return self.tell_files().await.map(drop).unwrap_or_default();
        }
        let mut lines = self.subscribe();
        if self.filter.since().is_none() {
            self.last = self.control.events.last_lsn();
        } else if self.tell_files().await.is_none() {
            return;
        }
        // Ends when the client goes, or the server stops.
        while let Some(lagged) = self.tell_live(&mut lines).await {
            if lagged {
                lines = self.subscribe();
                if self.tell_files().await.is_none() {
                    return;
                }
            }
        }
    }

    /// All events from here on. The log never waits: a follower that is too slow loses its subscription, and reads the files.
    fn subscribe(&self) -> mpsc::Receiver<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(LINES_MAX);
        self.control.events.subscribe(Box::new(move |line| sender.try_send(line.to_vec()).is_ok()));
        receiver
    }

    /// Tells some live events; whether there were too many to keep. None: the client has gone.
    async fn tell_live(&mut self, lines: &mut mpsc::Receiver<Vec<u8>>) -> Option<bool> {
        let mut some = Vec::new();
        let Ok(received) = timeout(SIGN_OF_LIFE, lines.recv_many(&mut some, LINES_MAX)).await else {
            return self.sender.send_data(Bytes::from_static(b"\n")).await.ok().map(|()| false);
        };
        let mut chunk = Vec::new();
        for line in &some {
            let Some(event) = Event::from_line(line).filter(|event| event.lsn > self.last) else { continue };
            self.last = event.lsn;
            if self.filter.takes(&event) {
                chunk.extend_from_slice(line);
                chunk.push(b'\n');
            }
        }
        if !chunk.is_empty() {
            self.sender.send_data(chunk.into()).await.ok()?;
        }
        Some(received == 0)
    }

    /// Tells what the files hold behind the last event, on a thread that may wait for the disk. None: the client has gone, or the log cannot be
    /// read.
    async fn tell_files(&mut self) -> Option<()> {
        let (log, filter) = (Arc::clone(&self.control.events), self.filter.clone());
        let reader = Reader::new(self.control.events_dir.clone(), Arc::clone(&self.control.disk));
        let from = Start { after: self.last, since: filter.since() };
        let (sender, mut chunks) = mpsc::channel::<Bytes>(1);
        let read = tokio::task::spawn_blocking(move || {
            // What was told before is in the files then.
            log.flush();
            read(&reader, from, &filter, &sender)
        });
        while let Some(chunk) = chunks.recv().await {
            self.sender.send_data(chunk).await.ok()?;
        }
        match read.await.ok()? {
            Ok(last) => {
                self.last = last;
                Some(())
            }
            Err(error) => {
                tracing::error!(station = "admin", %error, "cannot tell a client of events");
                None
            }
        }
    }
}

/// Sends what is asked for, chunk by chunk; returns the LSN of the last event seen.
fn read(
    reader: &Reader,
    from: Start,
    filter: &EventFilter,
    sender: &mpsc::Sender<Bytes>,
) -> Result<u64, EventsError> {
    let mut chunk = Vec::new();
    let handle = Handle::current();
    let send = |chunk: Vec<u8>| handle.block_on(sender.send(chunk.into())).is_ok();
    let last = reader.scan(from, &mut |event, line| {
        if filter.takes(&event) {
            chunk.extend_from_slice(line);
            chunk.push(b'\n');
        }
        if chunk.len() >= CHUNK_OCTETS && !send(std::mem::take(&mut chunk)) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if !chunk.is_empty() {
        send(chunk);
    }
    Ok(last)
}
