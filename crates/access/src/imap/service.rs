//! What is IMAP's own about its service: the capabilities, the limits, and how a client is turned away.

use std::{borrow::Cow, sync::Arc};

use directory::Scope;
use imap::server::Limits;
use net::{Meter, Refused};

use super::{machine::Machine, policy::Policy};
use crate::{
    Config,
    gate::Manner,
    login::Client,
    service::{Dialect, Service},
};

/// Serves IMAP. Clones are the same service.
pub type Imap = Service<Imap4>;

/// IMAP4rev2 and IMAP4rev1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Imap4;

/// What is carried out beside what the machine itself can: no more is announced.
const CAPABILITIES: [&str; 39] = [
    "NAMESPACE",
    "ACL",
    "RIGHTS=kxte",
    "LIST-MYRIGHTS",
    "NOTIFY",
    "METADATA",
    "UIDPLUS",
    "MOVE",
    "UNSELECT",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "SORT",
    "SORT=DISPLAY",
    "ESORT",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "CONDSTORE",
    "QRESYNC",
    "MULTIAPPEND",
    "REPLACE",
    "BINARY",
    "PARTIAL",
    "PREVIEW",
    "SAVEDATE",
    "OBJECTID",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "UTF8=ACCEPT",
    "I18NLEVEL=1",
    "COMPRESS=DEFLATE",
    "APPENDLIMIT",
];

impl Dialect for Imap4 {
    const MANNER: Manner = Manner { station: "imap", scope: Scope::Imap, busy };
    type Spoken = imap::server::Config;
    type Machine = Machine;
    type Policy = Policy;

    fn spoken(config: &Config) -> imap::server::Config {
        let limit = format!("APPENDLIMIT={}", config.message_octets_max);
        let capabilities = CAPABILITIES.into_iter().map(|name| match name {
            "APPENDLIMIT" => Cow::Owned(limit.clone()),
            name => Cow::Borrowed(name),
        });
        imap::server::Config {
            hostname: config.hostname.clone(),
            software: "Postrider",
            capabilities: capabilities.collect(),
            limits: Limits {
                message_octets_max: config.message_octets_max,
                errors_max: config.errors_max,
                ..Limits::default()
            },
        }
    }

    fn machine(spoken: Arc<imap::server::Config>, config: Arc<Config>, meter: Meter) -> Machine {
        Machine::new(spoken, config, meter)
    }

    fn policy(&self, client: Client) -> Policy {
        Policy::new(client)
    }
}

/// Before a session has begun.
fn busy(refused: Refused) -> &'static str {
    match refused {
        Refused::All => "* BYE [UNAVAILABLE] Too many sessions; try again later\r\n",
        Refused::Client => "* BYE [LIMIT] Too many sessions from your address\r\n",
        Refused::Rate => "* BYE [LIMIT] Too many connections from your address; try again later\r\n",
    }
}
