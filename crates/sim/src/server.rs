//! The real server, built of its parts on the simulated machine.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use deliver::{Deliverer, Own, Parts, Sites};
use disk::{Clock, Disk, Random};
use events::{Event, Flusher, Log};
use net::{Shutdown, ShutdownSwitch};
use receive::{Receiver, Service};
use spool::{Committer, Opened, Reserve, SEGMENT_OCTETS_MIN, Spool};
use tokio::{
    io::DuplexStream,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use crate::{
    disk_turns::{SlowDisk, Turns},
    ledger::token_of,
    network::Network,
    settings::Settings,
    slips::Slips,
    weather::SimDns,
    wire::wire,
    world::World,
};

pub(crate) const EVENTS: &str = "/data/events";
pub(crate) const SPOOL: &str = "/data/spool";
pub(crate) const MAIL: &str = "/data/mail";
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 1));

/// A running server.
pub(crate) struct Server {
    pub(crate) spool: Spool,
    pub(crate) opened: Opened,
    pub(crate) log: Arc<Log>,
    pub(crate) sites: Sites,
    pub(crate) controls: Controls,
    world: Arc<World>,
    switch: ShutdownSwitch,
    shutdown: Shutdown,
    sessions: JoinSet<()>,
    delivery: JoinHandle<()>,
    stop_turns: oneshot::Sender<()>,
    turns: JoinHandle<()>,
}

/// What changes the settings of a running server.
#[derive(Clone)]
pub(crate) struct Controls {
    receiver: Receiver,
    delivery: deliver::Settings,
    in_store: bool,
}

impl Controls {
    /// As `postrider reload` does.
    pub(crate) fn change(&self, settings: Settings) -> Result<(), String> {
        let directory = Arc::new(settings.directory()?);
        self.receiver.change(settings.receiving()?, Arc::clone(&directory));
        self.delivery.change(&settings.delivery(self.in_store)?, directory);
        Ok(())
    }
}

/// The settings under which a session began, once it has.
pub(crate) type Under = Arc<OnceLock<Settings>>;

impl Server {
    /// Starts it as the program does. The error is told as the program would tell it.
    pub(crate) fn start(world: &Arc<World>) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
        let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
        let random: Arc<dyn Random> = Arc::new(world.chance());
        disk.create_dir_all(MAIL.as_ref()).map_err(|error| error.to_string())?;
        let (log, flusher) = open_log(world)?;
        let (spool, committer, opened) = Spool::open_inline(
            spool_config(world),
            Arc::clone(&disk),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&log),
        )
        .map_err(|error| error.to_string())?;
        world.ledger.books().found.push(log.last_lsn());
        let (settings, in_store) = (world.settings(), world.plan.store);
        let directory = Arc::new(settings.directory()?);
        let parts = parts(world, &spool, &directory, disk, random)?;
        let (switch, shutdown) = ShutdownSwitch::new();
        let deliverer = Deliverer::new(settings.delivery(in_store)?, parts);
        let (delivery, sites) = (deliverer.settings(), deliverer.sites());
        // Nobody logs in here.
        let nobody = directory::Authenticator::new(Arc::clone(&directory), &[]);
        let receiver = Receiver::new(settings.receiving()?, spool.clone(), directory, nobody, clock);
        let (stop_turns, stop) = oneshot::channel();
        let turns = turns(world, &spool, committer, flusher, &log);
        Ok(Self {
            spool,
            opened,
            log,
            sites,
            controls: Controls { receiver, delivery, in_store },
            world: Arc::clone(world),
            delivery: tokio::spawn(deliverer.run(shutdown.clone())),
            switch,
            shutdown,
            sessions: JoinSet::new(),
            stop_turns,
            turns: tokio::spawn(turns.run(stop)),
        })
    }

    /// A connection of a client, and under which settings it is served.
    pub(crate) fn connect(&mut self) -> (DuplexStream, Under) {
        let (ours, theirs) = wire(&self.world);
        let (receiver, mut shutdown) = (self.controls.receiver.clone(), self.shutdown.clone());
        let (world, under) = (Arc::clone(&self.world), Under::default());
        let begun = Arc::clone(&under);
        self.sessions.spawn(async move {
            begun.get_or_init(|| world.settings());
            // A client that goes away in the middle is nothing special.
            let _ = receiver.session(Service::Smtp, CLIENT, ours, &mut shutdown).await;
        });
        (theirs, under)
    }

    /// Stops it as the program does: sessions, delivery, spool, event log.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.switch.press();
        while let Some(ended) = self.sessions.join_next().await {
            let slipped = self.world.plan.slips > 0;
            ended.or_else(|error| if slipped { Ok(()) } else { Err(format!("a session: {error}")) })?;
        }
        self.delivery.await.map_err(|error| format!("delivery: {error}"))?;
        let _ = self.stop_turns.send(());
        self.turns.await.map_err(|error| format!("the committer: {error}"))
    }
}

/// The event log, whose lines the story and the books take down.
fn open_log(world: &Arc<World>) -> Result<(Arc<Log>, Flusher), String> {
    let config = events::Config { keep_for: FOR_EVER, ..events::Config::new(EVENTS.into()) };
    let (disk, clock) = (Arc::new(world.disk.clone()), Arc::clone(&world.clock));
    let (log, flusher) = Log::open_inline(config, disk, clock).map_err(|error| error.to_string())?;
    let told = Arc::clone(world);
    log.subscribe(Box::new(move |line| {
        let text = String::from_utf8_lossy(line);
        if let (Some(event), Some(token)) = (Event::from_line(line), token_of(&text)) {
            told.ledger.books().tokens.entry(event.id).or_insert(token);
        }
        told.tell(format!("event {text}"));
        true
    }));
    Ok((Arc::new(log), flusher))
}

fn parts(
    world: &Arc<World>,
    spool: &Spool,
    directory: &Arc<directory::Directory>,
    disk: Arc<dyn Disk>,
    random: Arc<dyn Random>,
) -> Result<Parts, String> {
    let blocking = SlowDisk {
        world: Arc::clone(world),
        random: Arc::new(world.chance()),
        slips: Arc::new(Slips::new(world)),
    };
    let clock = Arc::clone(&world.clock);
    Ok(Parts {
        spool: spool.clone(),
        directory: Arc::clone(directory),
        resolver: Arc::new(SimDns::new(world.weather.clone(), Arc::clone(&clock), Slips::new(world))),
        disk,
        mailstore: None,
        blocking: Arc::new(blocking),
        clock,
        random,
        connect: Arc::new(Network { world: Arc::clone(world), slips: Slips::new(world) }),
        tls: net::HostConnector::new().map_err(|error| error.to_string())?,
        own: Own::default(),
    })
}

fn turns(world: &Arc<World>, spool: &Spool, committer: Committer, flusher: Flusher, log: &Arc<Log>) -> Turns {
    Turns { world: Arc::clone(world), spool: spool.clone(), committer, flusher, log: Arc::clone(log) }
}

pub(crate) const FOR_EVER: std::time::Duration = std::time::Duration::from_hours(24 * 3650);

pub(crate) fn spool_config(world: &World) -> spool::Config {
    let config = spool::Config::small(PathBuf::from(SPOOL));
    spool::Config {
        segment_octets: SEGMENT_OCTETS_MIN,
        reserve: Reserve { percent: 0, min: 1 << 20, max: 1 << 20 },
        cache_octets: if world.plan.cache { config.cache_octets } else { 0 },
        ..config
    }
}
