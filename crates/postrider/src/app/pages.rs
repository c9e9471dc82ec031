//! What is served by HTTP: the service for that, and its doors.

use std::sync::Arc;

use acme::Keeper;
use net::Shutdown;
use tokio::task::JoinSet;
use web::{
    Web,
    mta_sts::{self, OwnPolicy},
    setup::{self, ClientSetup},
};

use super::{
    build::Built,
    door::{Door, WebDoors},
};
use crate::config::Config;

/// The service, and what it serves that changes.
#[derive(Clone)]
pub(super) struct Pages {
    web: Web,
    setup: ClientSetup,
    policy: OwnPolicy,
}

impl Pages {
    /// What is told to mail clients about these doors, and to the authority that `keeper` asks for certificates.
    pub(super) fn new(built: &Built, keeper: Option<&Keeper>) -> Self {
        let endpoints = built.doors.iter().filter_map(Door::endpoint).collect();
        let https = built.doors.iter().find_map(Door::https_port);
        let directory = Arc::clone(&built.directory);
        let policy = OwnPolicy::new(built.config.mta_sts.clone(), Arc::clone(&directory));
        let setup = ClientSetup::new(&built.config.hostname, endpoints, https, directory);
        let mut router = setup::router(setup.clone()).merge(mta_sts::router(policy.clone()));
        if let Some(challenges) = keeper.and_then(Keeper::http_challenges) {
            let answers = move |token: &str| challenges.find(token).map(String::from);
            router = router.merge(web::challenges::router(Arc::new(answers)));
        }
        Self { web: Web::new(settings(&built.config), router), setup, policy }
    }

    /// Takes up other settings.
    pub(super) fn change(&self, config: &Config) {
        self.web.change(settings(config));
        self.policy.change(config.mta_sts.clone());
    }

    /// Other domains are ours.
    pub(super) fn change_directory(&self, directory: &Arc<directory::Directory>) {
        self.setup.change_directory(Arc::clone(directory));
        self.policy.change_directory(Arc::clone(directory));
    }

    /// Serves until `shutdown`; without doors it only waits.
    pub(super) async fn serve(self, doors: WebDoors, mut shutdown: Shutdown) -> Result<(), String> {
        let mut listeners = JoinSet::new();
        for (entrance, bound) in doors {
            let (web, shutdown) = (self.web.clone(), shutdown.clone());
            listeners.spawn(async move { web.serve(entrance, bound, shutdown).await });
        }
        if listeners.is_empty() {
            shutdown.requested().await;
        }
        // The first that fails ends all, as with mail.
        while let Some(ended) = listeners.join_next().await {
            ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// The limits of those who bring mail hold for those who ask by HTTP too, each counted by itself.
fn settings(config: &Config) -> web::Config {
    let receive = &config.receive;
    web::Config {
        sessions_max: receive.sessions_max,
        sessions_per_address_max: receive.sessions_per_address_max,
        proxy_networks: receive.proxy_networks.clone(),
        handshake_timeout: receive.handshake_timeout,
        drain_timeout: receive.drain_timeout,
        ..web::Config::default()
    }
}
