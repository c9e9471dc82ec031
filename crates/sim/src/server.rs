//! The real server, built of its parts on the simulated machine.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use deliver::{Config, Deliverer, Own, Parts};
use directory::{AccountConfig, Directory, DomainConfig};
use disk::{Clock, Disk, Random};
use events::Log;
use net::{Networks, Shutdown, ShutdownSwitch};
use receive::{Receiver, Service};
use spool::{Opened, Reserve, SEGMENT_OCTETS_MIN, Spool};
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};

use crate::{
    disk_turns::{SlowDisk, Turns},
    network::Network,
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
    world: Arc<World>,
    receiver: Receiver,
    switch: ShutdownSwitch,
    shutdown: Shutdown,
    sessions: JoinSet<()>,
    delivery: JoinHandle<()>,
    stop_turns: oneshot::Sender<()>,
    turns: JoinHandle<()>,
}

impl Server {
    /// Starts it as the program does. The error is told as the program would tell it.
    pub(crate) fn start(world: &Arc<World>) -> Result<Self, String> {
        let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
        let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
        let random: Arc<dyn Random> = Arc::new(world.chance());
        disk.create_dir_all(MAIL.as_ref()).map_err(|error| error.to_string())?;
        let (log, flusher) = Log::open_inline(
            events::Config { keep_for: FOR_EVER, ..events::Config::new(EVENTS.into()) },
            Arc::clone(&disk),
            Arc::clone(&clock),
        )
        .map_err(|error| error.to_string())?;
        let told = Arc::clone(world);
        log.subscribe(Box::new(move |line| {
            told.tell(format!("event {}", String::from_utf8_lossy(line)));
            true
        }));
        let log = Arc::new(log);
        let (spool, committer, opened) = Spool::open_inline(
            spool_config(world),
            Arc::clone(&disk),
            Arc::clone(&clock),
            Arc::clone(&random),
            Arc::clone(&log),
        )
        .map_err(|error| error.to_string())?;
        let directory = Arc::new(directory()?);
        let blocking = Arc::new(SlowDisk { world: Arc::clone(world), random: Arc::new(world.chance()) });
        let parts = Parts {
            spool: spool.clone(),
            directory: Arc::clone(&directory),
            resolver: Arc::new(SimDns::new(world.weather.clone(), Arc::clone(&world.clock))),
            disk,
            blocking,
            clock: Arc::clone(&clock),
            random,
            connect: Arc::new(Network(Arc::clone(world))),
            tls: net::Connector::opportunistic().map_err(|error| error.to_string())?,
            own: Own::default(),
        };
        let (switch, shutdown) = ShutdownSwitch::new();
        let delivery = tokio::spawn(Deliverer::new(deliver_config(), parts).run(shutdown.clone()));
        let (stop_turns, stop) = oneshot::channel();
        let turns = tokio::spawn(
            Turns { world: Arc::clone(world), spool: spool.clone(), committer, flusher, log }.run(stop),
        );
        let receiver = Receiver::new(receive_config()?, spool.clone(), directory, clock);
        Ok(Self {
            spool,
            opened,
            world: Arc::clone(world),
            receiver,
            switch,
            shutdown,
            sessions: JoinSet::new(),
            delivery,
            stop_turns,
            turns,
        })
    }

    /// A connection of a client.
    pub(crate) fn connect(&mut self) -> tokio::io::DuplexStream {
        let (ours, theirs) = wire(&self.world.power);
        let (receiver, mut shutdown) = (self.receiver.clone(), self.shutdown.clone());
        self.sessions.spawn(async move {
            // A client that goes away in the middle is nothing special.
            let _ = receiver.session(Service::Smtp, CLIENT, ours, &mut shutdown).await;
        });
        theirs
    }

    /// Stops it as the program does: sessions, delivery, spool, event log.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.switch.press();
        while let Some(ended) = self.sessions.join_next().await {
            ended.map_err(|error| format!("a session: {error}"))?;
        }
        self.delivery.await.map_err(|error| format!("delivery: {error}"))?;
        let _ = self.stop_turns.send(());
        self.turns.await.map_err(|error| format!("the committer: {error}"))
    }
}

const FOR_EVER: std::time::Duration = std::time::Duration::from_hours(24 * 3650);

fn spool_config(world: &World) -> spool::Config {
    let config = spool::Config::small(PathBuf::from(SPOOL));
    spool::Config {
        segment_octets: SEGMENT_OCTETS_MIN,
        reserve: Reserve { percent: 0, min: 1 << 20, max: 1 << 20 },
        cache_octets: if world.plan.cache { config.cache_octets } else { 0 },
        ..config
    }
}

fn deliver_config() -> Config {
    Config {
        hostname: "postrider.example".into(),
        maildir_root: MAIL.into(),
        sites_file: Some("/data/sites.jsonl".into()),
        ..Config::default()
    }
}

fn receive_config() -> Result<receive::Config, String> {
    let trusted = Networks::parse(["198.51.100.0/24"]).map_err(|error| error.to_string())?;
    Ok(receive::Config {
        hostname: "postrider.example".into(),
        trusted_networks: trusted,
        ..receive::Config::default()
    })
}

/// `here.test` with Anna and Otto.
fn directory() -> Result<Directory, String> {
    let account = |login: &str| AccountConfig { login: login.into(), addresses: Vec::new(), password: None };
    let config = directory::Config {
        domains: vec![DomainConfig { name: "here.test".into(), catch_all: None, subaddress: None }],
        accounts: vec![account("anna@here.test"), account("otto@here.test")],
        ..directory::Config::default()
    };
    Directory::new(config).map_err(|errors| format!("{errors:?}"))
}
