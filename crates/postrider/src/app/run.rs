//! Runs what was built until a signal comes, then stops it in the reverse order.

use std::{path::PathBuf, sync::Arc, time::Duration};

use acme::Keeper;
use admin::{Control, Server, api};
use deliver::{
    BlockingThreads, Deliverer, LaneStatus, RelayStatus, Relays, Settings, SiteStatus, Sites, SocketConnect,
};
use directory::{Noticed, People};
use disk::Clock;
use events::{Order, Query, Reader};
use mail::Timestamp;
use mailstore::Mailstore;
use net::{Bound, Shutdown};
use receive::Receiver;
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};

use super::{
    announce::{self, Audience, Ready},
    build::{self, Built},
    door::{self, Door, Entrances},
    listening::Listening,
    mailboxes::{self, Mailboxes},
    maildrop::{self, Counts, Maildrop},
    pages::Pages,
    part::Part,
    reload::{Reloader, Running},
    upkeep, usage,
};
use crate::{config, failure::Failure, process};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long a part gets to stop, beyond the deadlines that it keeps itself.
const STOP_MAX: Duration = Duration::from_mins(1);
/// What logins have shown waits so long to be kept: beyond that it is not heard, and comes again with the next login.
const NOTICED_MAX: usize = 1024;
/// The API's answers are short.
const CONTROL_STOP_MAX: Duration = Duration::from_secs(5);

/// Runs until a signal, or until a part fails that the server cannot be without.
pub(super) fn run(built: Built, file: Option<PathBuf>, audience: Audience) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    runtime.block_on(serve(built, file, audience))
}

async fn serve(mut built: Built, file: Option<PathBuf>, audience: Audience) -> Result<(), Failure> {
    let mut signals = Signals::new()?;
    // Bound before anything runs: whatever fails until here has changed nothing.
    let control_socket = build::control(&built.config.data_dir)?;
    if let Some(subscriber) = announce::subscriber(audience) {
        built.events.subscribe(subscriber);
    }
    let listeners: Vec<_> = built.doors.iter().map(Door::shown).collect();
    let server = server(&built, listeners.clone());
    let keeper = built.acme.take();
    let pages = Pages::new(&built, keeper.as_ref().map(|(keeper, _)| keeper));
    let (entrances, doors, web_doors) = door::sorted(std::mem::take(&mut built.doors));
    let watch = keeper.as_ref().map(|(keeper, _)| keeper.watch());

    let deliverer = deliverer(&built);
    let receiver = receiver(&built);
    let (mailboxes, sites, relays) = (Mailboxes::new(&built), deliverer.sites(), deliverer.relays());
    let (running, own) = (built.config.clone(), built.own.clone());
    let parts = changing(&built, &receiver, mailboxes.as_ref(), &pages, &deliverer, watch.clone());
    let reloader = Arc::new(Reloader::new(file, running, own, parts));
    publish(&built, &receiver, &pages, &deliverer);
    let mut heeding = heeding(&built);
    let elsewhere = Arc::clone(&built.ldap);
    let mut asking = Part::start("ldap", CONTROL_STOP_MAX, |shutdown| asking(elsewhere, shutdown));
    let mut signing = signing(&mut built, deliverer.settings());
    let mut delivery = Part::start("deliver", STOP_MAX, |shutdown| delivery(deliverer, shutdown));
    let counts = Arc::new(Counts::default());
    let watched = Watched { sites, relays, acme: watch, maildrop: Arc::clone(&counts) };
    let mut control = Part::start("admin", CONTROL_STOP_MAX, |shutdown| {
        control(&built, watched, Arc::clone(&reloader), server, control_socket, shutdown)
    });
    usage::recall(&built.config.data_dir, &receiver);
    let mut counting = Part::start("usage", CONTROL_STOP_MAX, |shutdown| {
        usage::keep(built.config.data_dir.clone(), receiver.clone(), shutdown)
    });
    let mut maildrop =
        Part::start("sendmail", STOP_MAX, |shutdown| maildrop(&built, receiver.clone(), counts, shutdown));
    let mut receiving = Part::start("receive", STOP_MAX, |shutdown| receiving(receiver, entrances, shutdown));
    let mut reading =
        Part::start("access", STOP_MAX, |shutdown| mailboxes::reading(mailboxes, doors, shutdown));
    let mut telling = Part::start("web", STOP_MAX, |shutdown| pages.serve(web_doors, shutdown));
    let mut certifying = Part::start("acme", STOP_MAX, |shutdown| certifying(keeper, shutdown));
    let mut keeping = Part::start("mailstore", STOP_MAX, |shutdown| upkeep::keep(&built, shutdown));

    let listening = announced(&built, audience, &listeners);
    let ended = tokio::select! {
        signal = signals.stop(&reloader), if listening.is_ok() => { tracing::info!("{signal}: stopping"); Ok(()) }
        failure = receiving.ended() => Err(failure),
        failure = reading.ended() => Err(failure),
        failure = telling.ended() => Err(failure),
        failure = maildrop.ended() => Err(failure),
        failure = counting.ended() => Err(failure),
        failure = control.ended() => Err(failure),
        failure = delivery.ended() => Err(failure),
        failure = certifying.ended() => Err(failure),
        failure = signing.ended() => Err(failure),
        failure = heeding.ended() => Err(failure),
        failure = asking.ended() => Err(failure),
        failure = keeping.ended() => Err(failure),
        () = std::future::ready(()), if listening.is_err() => Ok(()),
    };
    tokio::spawn(async move {
        let signal = signals.stop(&reloader).await;
        tracing::warn!("{signal} again: stopping at once; what was accepted is safe");
        std::process::exit(1);
    });
    process::stopping();
    let ended = listening.map(drop).and(ended);
    certifying.stop().await;
    receiving.stop().await;
    reading.stop().await;
    telling.stop().await;
    maildrop.stop().await;
    counting.stop().await;
    control.stop().await;
    signing.stop().await;
    delivery.stop().await;
    keeping.stop().await;
    asking.stop().await;
    heeding.stop().await;
    close(built).await;
    ended
}

/// What takes up a new configuration.
fn changing(
    built: &Built,
    receiver: &Receiver,
    mailboxes: Option<&Mailboxes>,
    pages: &Pages,
    deliverer: &Deliverer,
    acme: Option<acme::Watch>,
) -> Running {
    Running {
        people: Arc::clone(&built.people),
        receiver: receiver.clone(),
        mailboxes: mailboxes.cloned(),
        pages: pages.clone(),
        logins: built.authenticator.clone(),
        return_paths: built.return_paths.clone(),
        delivery: deliverer.settings(),
        certificates: built.certificates.clone(),
        clients: built.clients.clone(),
        acme,
        signing: built.signing.clone(),
    }
}

/// Who exists changes for all who ask at the same time.
fn publish(built: &Built, receiver: &Receiver, pages: &Pages, deliverer: &Deliverer) {
    let (receiver, pages, delivery) = (receiver.clone(), pages.clone(), deliverer.settings());
    let signing = built.signing.clone();
    built.people.publish_to(Box::new(move |directory| {
        signing.change_directory(directory);
        pages.change_directory(directory);
        receiver.change_directory(Arc::clone(directory));
        delivery.change_directory(Arc::clone(directory));
    }));
}

/// Fetches who is kept elsewhere.
async fn asking(keeper: Arc<ldap::Keeper>, shutdown: Shutdown) -> Result<(), String> {
    keeper.run(shutdown).await;
    Ok(())
}

/// Keeps what logins show.
fn heeding(built: &Built) -> Part {
    let (notices, noticed) = mpsc::channel(NOTICED_MAX);
    built.authenticator.notify(notices);
    let (people, clock) = (Arc::clone(&built.people), Arc::clone(&built.clock));
    Part::start("directory", STOP_MAX, |shutdown| heed(people, noticed, clock, shutdown))
}

async fn heed(
    people: Arc<People>,
    mut noticed: mpsc::Receiver<Noticed>,
    clock: Arc<dyn Clock>,
    mut shutdown: Shutdown,
) -> Result<(), String> {
    let now = || i64::try_from(clock.now().as_millis()).unwrap_or(i64::MAX);
    tokio::select! {
        biased;
        () = people.heed(&mut noticed, now) => {}
        () = shutdown.requested() => {}
    }
    Ok(())
}

fn server(built: &Built, listeners: Vec<api::Listener>) -> Server {
    Server {
        version: VERSION,
        pid: std::process::id(),
        hostname: built.config.hostname.clone(),
        started: built.clock.now(),
        listeners,
    }
}

fn announced(built: &Built, audience: Audience, listeners: &[api::Listener]) -> Result<Listening, Failure> {
    let Built { config, mailbox, .. } = built;
    let (maildir, mailbox) = (built.maildir.as_deref(), *mailbox);
    let (data_dir, authority, pid) = (&config.data_dir, built.authority.as_deref(), std::process::id());
    let listening = Listening::write(data_dir, pid, listeners)?;
    let version = VERSION;
    announce::ready(audience, &Ready { version, pid, listeners, data_dir, maildir, mailbox, authority })?;
    for listener in listeners {
        tracing::info!(service = listener.service, address = listener.address, "listening");
    }
    tracing::info!(version = VERSION, pid, data_dir = %data_dir.display(), "ready");
    process::ready();
    Ok(listening)
}

fn receiver(built: &Built) -> Receiver {
    Receiver::new(
        built.config.receive.clone(),
        built.spool.clone(),
        Arc::clone(&built.directory),
        built.authenticator.clone(),
        Arc::clone(&built.clock),
    )
    .verifying_by(Arc::clone(&built.resolver))
    .returning_by(built.return_paths.clone())
}

/// Takes up what programs of this machine send.
fn maildrop(
    built: &Built,
    receiver: Receiver,
    counts: Arc<Counts>,
    shutdown: Shutdown,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let Built { config, facts, .. } = built;
    let (patience, remembers) = (config.deliver.expire, remembers(built));
    let domain = config.sendmail.domain.clone();
    let maildrop = domain.map(|domain| {
        let parts = maildrop::Parts { domain, patience, receiver, remembers, counts };
        Maildrop::new(&config.data_dir, facts, parts)
    });
    async move {
        match maildrop {
            Some(maildrop) => maildrop.run(shutdown).await,
            None => Err("there is no domain for mail of this machine".to_owned()),
        }
    }
}

/// What is in the queue the spool knows; of what was there an event is left.
fn remembers(built: &Built) -> maildrop::Remembers {
    let (spool, events) = (built.spool.clone(), Arc::clone(&built.events));
    let reader = Reader::new(config::events_dir(&built.config.data_dir), Arc::clone(&built.disk));
    Arc::new(move |id| {
        if spool.unknown(&[id]).is_empty() {
            return true;
        }
        events.flush();
        let found = reader.search(&Query::Id(id), Order::NewestFirst, 1);
        found
            .inspect_err(|error| tracing::warn!(station = "sendmail", %error, "a message may come twice"))
            .is_ok_and(|events| !events.is_empty())
    })
}

/// Accepts clients on all listeners.
async fn receiving(receiver: Receiver, entrances: Entrances, shutdown: Shutdown) -> Result<(), String> {
    let mut listeners = JoinSet::new();
    for (entrance, bound) in entrances {
        let (receiver, shutdown) = (receiver.clone(), shutdown.clone());
        listeners.spawn(async move { receiver.serve(entrance, bound, shutdown).await });
    }
    // The first that fails ends all: a server that listens on half of its ports helps nobody.
    while let Some(ended) = listeners.join_next().await {
        ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Keeps the certificate that we obtain ourselves, if there is one.
async fn certifying(keeper: Option<(Keeper, Vec<Bound>)>, mut shutdown: Shutdown) -> Result<(), String> {
    if let Some((keeper, bound)) = keeper {
        return keeper.run(bound, shutdown).await.map_err(|error| error.to_string());
    }
    shutdown.requested().await;
    Ok(())
}

/// Keeps the keys that mail is signed with.
fn signing(built: &mut Built, delivery: Settings) -> Part {
    let (keys, signing) = (built.keys.take(), built.signing.clone());
    Part::start("dkim", CONTROL_STOP_MAX, |mut shutdown| async move {
        if let Some(keeper) = keys {
            return signing.keep(keeper, delivery, shutdown).await;
        }
        shutdown.requested().await;
        Ok(())
    })
}

fn deliverer(built: &Built) -> Deliverer {
    let parts = deliver::Parts {
        spool: built.spool.clone(),
        directory: Arc::clone(&built.directory),
        resolver: Arc::clone(&built.resolver),
        disk: Arc::clone(&built.disk),
        mailstore: built.mailstore.clone(),
        blocking: Arc::new(BlockingThreads),
        clock: Arc::clone(&built.clock),
        random: Arc::clone(&built.random),
        connect: Arc::new(SocketConnect),
        tls: built.connector.clone(),
        own: built.own.clone(),
    };
    let return_paths = Some(built.return_paths.clone());
    Deliverer::new(deliver::Config { return_paths, ..built.config.deliver.clone() }, parts)
}

/// Takes what is due from the spool and delivers it.
async fn delivery(deliverer: Deliverer, shutdown: Shutdown) -> Result<(), String> {
    deliverer.run(shutdown).await;
    Ok(())
}

/// How a site fares, in the API's words.
fn site(status: &SiteStatus, now: Timestamp) -> api::Site {
    // With one set of hosts at work the site does not rest.
    let rest =
        |lane: &LaneStatus| lane.suspension.as_ref().map(|rest| rest.until).filter(|until| *until > now);
    let until = status.lanes.iter().map(rest).min().flatten();
    api::Site {
        name: status.site.to_string(),
        connections: status.connections as u64,
        connections_allowed: status.connections_allowed as u64,
        rests_until: until.map(|until| until.to_string()),
    }
}

/// How our certificate fares, in the API's words.
fn certificate(status: acme::Status) -> api::Certificate {
    let acme::Status { names, certified, expires, next_attempt, failures, failure, alarm } = status;
    api::Certificate {
        names,
        certified,
        expires_at: expires.to_string(),
        next_attempt_at: next_attempt.to_string(),
        failures,
        failure,
        alarm: alarm.map(|alarm| alarm.word().to_owned()),
    }
}

fn relay(status: &RelayStatus) -> api::Relay {
    let RelayStatus { name, used, per_day, room_at, taken_at: _, failing_since, reply, alarmed } = status;
    api::Relay {
        name: name.to_string(),
        used: *used,
        per_day: *per_day,
        room_at: room_at.map(|at| at.to_string()),
        failing_since: failing_since.map(|at| at.to_string()),
        reply: reply.as_ref().map(ToString::to_string),
        alarmed: *alarmed,
    }
}

/// What the command line is told of.
struct Watched {
    sites: Sites,
    relays: Relays,
    acme: Option<acme::Watch>,
    maildrop: Arc<Counts>,
}

/// Answers the command line.
fn control(
    built: &Built,
    Watched { sites, relays, acme, maildrop }: Watched,
    reloader: Arc<Reloader>,
    server: Server,
    listener: UnixListener,
    mut shutdown: Shutdown,
) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let clock = Arc::clone(&built.clock);
    let (signing, rotating) = (built.signing.clone(), built.signing.clone());
    let router = admin::router(Control {
        spool: built.spool.clone(),
        people: Arc::clone(&built.people),
        mailstore: built.mailstore.clone(),
        events: Arc::clone(&built.events),
        events_dir: config::events_dir(&built.config.data_dir),
        stop: shutdown.clone(),
        disk: Arc::clone(&built.disk),
        clock: Arc::clone(&built.clock),
        logins: built.authenticator.clone(),
        reload: Arc::new(move || reloader.reload().map_err(|refused| refused.report)),
        sites: Arc::new(move || {
            let now = clock.now();
            sites.status().iter().map(|status| site(status, now)).collect()
        }),
        relays: Arc::new(move || relays.status().iter().map(relay).collect()),
        certificate: Arc::new(move || acme.as_ref().map(|watch| certificate(watch.status()))),
        signing: Arc::new(move || signing.status()),
        rotate: Arc::new(move |domain| rotating.rotate(domain)),
        maildrop: Arc::new(move || {
            let (waiting, aside) = maildrop.get();
            api::Maildrop { waiting, aside }
        }),
        server: Arc::new(server),
    });
    async move {
        let stop = async move { shutdown.requested().await };
        admin::serve(listener, router, stop).await.map_err(|error| error.to_string())
    }
}

/// Writes down what is still in memory. The lock on the data directory goes last, with `built`.
async fn close(built: Built) {
    built.spool.clone().close().await;
    let events = Arc::clone(&built.events);
    // What the log could not write the spool keeps, and tells it again at the next start.
    let _ = tokio::task::spawn_blocking(move || events.flush()).await;
    let (store, mailstore) = (built.store.clone(), built.mailstore.clone());
    let close = move || {
        mailstore.inspect(Mailstore::close);
        store.close();
    };
    let _ = tokio::task::spawn_blocking(close).await;
    let _ = std::fs::remove_file(config::control_socket(&built.config.data_dir));
    tracing::info!("stopped");
}

/// SIGINT and SIGTERM stop, SIGHUP reloads.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot wait for signals: {error}")));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the word to stop; reloads the configuration as often as that is asked for meanwhile.
    async fn stop(&mut self, reloader: &Arc<Reloader>) -> &'static str {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reloading the configuration");
                    let reloader = Arc::clone(reloader);
                    // What came of it is in the log.
                    let _ = tokio::task::spawn_blocking(move || reloader.reload().is_ok()).await;
                }
            }
        }
    }
}
