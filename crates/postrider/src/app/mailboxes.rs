//! Where mailboxes are read: the services for that, and their doors.

use access::{imap::Imap, pop3::Pop3};
use net::Shutdown;
use tokio::task::JoinSet;

use super::{build::Built, door::AccessDoors};
use crate::config::{Access, Config};

/// The services by which mailboxes are read.
#[derive(Clone)]
pub(super) struct Mailboxes {
    imap: Imap,
    pop3: Pop3,
}

impl Mailboxes {
    /// If the mailboxes are here.
    pub(super) fn new(built: &Built) -> Option<Self> {
        let mailstore = built.mailstore.clone()?;
        let (settings, logins) = (settings(&built.config), built.authenticator.clone());
        let clock = || std::sync::Arc::clone(&built.clock);
        let imap = Imap::new(settings.clone(), mailstore.clone(), logins.clone(), clock());
        let pop3 = Pop3::new(settings, mailstore, logins, clock());
        Some(Self { imap, pop3 })
    }

    /// Takes up other settings.
    pub(super) fn change(&self, config: &Config) {
        self.imap.change(settings(config));
        self.pop3.change(settings(config));
    }

    /// Accepts clients on all listeners.
    async fn serve(self, doors: AccessDoors, shutdown: Shutdown) -> Result<(), String> {
        let mut listeners = JoinSet::new();
        for (access, entrance, bound) in doors {
            let (mailboxes, shutdown) = (self.clone(), shutdown.clone());
            listeners.spawn(async move {
                match access {
                    Access::Imap => mailboxes.imap.serve(entrance, bound, shutdown).await,
                    Access::Pop3 => mailboxes.pop3.serve(entrance, bound, shutdown).await,
                }
            });
        }
        // The first that fails ends all, as with mail.
        while let Some(ended) = listeners.join_next().await {
            ended.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Serves until `shutdown`; without doors it only waits.
pub(super) async fn reading(
    mailboxes: Option<Mailboxes>,
    doors: AccessDoors,
    mut shutdown: Shutdown,
) -> Result<(), String> {
    match mailboxes {
        Some(mailboxes) if !doors.is_empty() => mailboxes.serve(doors, shutdown).await,
        _ => {
            shutdown.requested().await;
            Ok(())
        }
    }
}

/// The limits of those who bring mail hold for those who read it too, each counted by itself.
fn settings(config: &Config) -> access::Config {
    let receive = &config.receive;
    access::Config {
        hostname: receive.hostname.clone(),
        message_octets_max: receive.message_size_max,
        sessions_max: receive.sessions_max,
        sessions_per_address_max: receive.sessions_per_address_max,
        errors_max: receive.errors_max,
        trusted_networks: receive.trusted_networks.clone(),
        proxy_networks: receive.proxy_networks.clone(),
        login_in_clear: receive.login_in_clear,
        handshake_timeout: receive.handshake_timeout,
        write_timeout: receive.write_timeout,
        drain_timeout: receive.drain_timeout,
        ..access::Config::default()
    }
}
