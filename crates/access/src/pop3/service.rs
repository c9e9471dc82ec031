//! What is POP3's own about its service: the limits, and how a client is turned away.

use std::sync::Arc;

use directory::Scope;
use net::{Meter, Refused};
use pop3::server::Limits;

use super::{machine::Machine, policy::Policy, turns::Turns};
use crate::{
    Config,
    gate::Manner,
    login::Client,
    service::{Dialect, Service},
};

/// Serves POP3. Clones are the same service.
pub type Pop3 = Service<Post>;

/// The Post Office Protocol, version 3, and who has which maildrop open.
#[derive(Debug, Clone, Default)]
pub struct Post(Arc<Turns>);

impl Dialect for Post {
    const MANNER: Manner = Manner { station: "pop3", scope: Scope::Pop3, busy };
    type Spoken = pop3::server::Config;
    type Machine = Machine;
    type Policy = Policy;

    fn spoken(config: &Config) -> pop3::server::Config {
        pop3::server::Config {
            hostname: config.hostname.clone(),
            software: "Postrider",
            login_delay_seconds: None,
            limits: Limits { errors_max: config.errors_max, ..Limits::default() },
        }
    }

    fn machine(spoken: Arc<pop3::server::Config>, config: Arc<Config>, meter: Meter) -> Machine {
        Machine::new(spoken, config, meter)
    }

    fn policy(&self, client: Client) -> Policy {
        Policy::new(client, Arc::clone(&self.0))
    }
}

/// Before a session has begun.
fn busy(refused: Refused) -> &'static str {
    match refused {
        Refused::All => "-ERR [SYS/TEMP] Too many sessions; try again later\r\n",
        Refused::Client => "-ERR [SYS/TEMP] Too many sessions from your address\r\n",
        Refused::Rate => "-ERR [SYS/TEMP] Too many connections from your address; try again later\r\n",
    }
}
