//! Builds the parts in order: what can fail before a port is open fails before a port is open.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use acme::{Keeper, Method};
use deliver::{LocalDelivery, Own};
use directory::{Authenticator, Directory, People, PeopleError, ReturnPaths};
use disk::{Caveat, Clock, Disk, Lock, OsDisk, OsRandom, Random, SystemClock};
use dns::Resolve;
use events::Log;
use mailstore::Mailstore;
use net::{Bound, Certificates, ClientAuthorities, HostConnector, Identity, TlsChallenges};
use spool::{Opened, Spool};
use store::{Pending, Store};
use tokio::net::UnixListener;

use super::{
    acceptors::Acceptors,
    dev::{self, NoDns},
    dev_tls::{self, DevTls},
    door::{self, Door},
    explain, former,
    listening::Listening,
    own,
    signing::Signing,
    tokens,
};
use crate::{
    backup,
    config::{self, Bounds, Config},
    failure::Failure,
    maildrop::{self, Facts},
    process::{self, Sockets},
    schemas,
};

/// Which server it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// The real one.
    Server,
    /// The one for development: small files, no DNS.
    Dev,
}

/// Everything that was opened, nothing of it running yet. Dropped in the order of its fields: the lock goes last.
pub(super) struct Built {
    pub config: Config,
    /// What `sendmail` knows of us.
    pub facts: Facts,
    /// Where Maildirs are, if mail is filed into some.
    pub maildir: Option<PathBuf>,
    /// Whose mailbox holds all mail, if one does.
    pub mailbox: Option<&'static str>,
    /// What a client has to trust to believe a certificate that we made ourselves.
    pub authority: Option<PathBuf>,
    pub certificates: Certificates,
    /// Whose certificates of clients are believed.
    pub clients: Option<ClientAuthorities>,
    pub connector: HostConnector,
    pub doors: Vec<Door>,
    /// What keeps the certificate that we obtain ourselves, and where it answers challenges.
    pub acme: Option<(Keeper, Vec<Bound>)>,
    /// What keeps the keys that mail is signed with, until it runs.
    pub keys: Option<dkim_keys::Keeper>,
    pub signing: Signing,
    pub own: Own,
    pub directory: Arc<Directory>,
    pub people: Arc<People>,
    pub authenticator: Authenticator,
    /// Who asks directories elsewhere.
    pub ldap: Arc<ldap::Keeper>,
    /// What makes reverse-paths.
    pub return_paths: ReturnPaths,
    pub store: Store,
    /// The mailboxes, if it is here that they are kept.
    pub mailstore: Option<Mailstore>,
    pub resolver: Arc<dyn Resolve>,
    pub spool: Spool,
    pub events: Arc<Log>,
    pub disk: Arc<dyn Disk>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    _lock: Box<dyn Lock>,
}

/// Opens all that the configuration names.
///
/// `sockets`: those that are bound already.
pub(super) fn build(config: Config, flavour: Flavour, sockets: Option<Sockets>) -> Result<Built, Failure> {
    let mut config = config;
    let (disk, clock, random): (Arc<dyn Disk>, Arc<dyn Clock>, Arc<dyn Random>) =
        (Arc::new(OsDisk), Arc::new(SystemClock), Arc::new(OsRandom));
    let lock = claim(disk.as_ref(), &config.data_dir)?;
    if backup::is_unfinished(&config.data_dir) {
        return Err(explain::unfinished_restore(&config.data_dir));
    }
    Listening::forget(&config.data_dir)?;
    let maildir = maildir(disk.as_ref(), &config)?;
    let facts = facts(&config);
    super::maildrop::prepare(&config.data_dir, &facts)?;
    let events = events::Config::new(config::events_dir(&config.data_dir));
    let events =
        Log::open(events, Arc::clone(&disk), Arc::clone(&clock)).map_err(|error| explain::events(&error))?;
    let events = Arc::new(events);
    let spool = open_spool(&config, flavour, &disk, &clock, &random, &events)?;
    let mut own = Own { addresses: own::addresses(), ..Own::default() };
    // Behind a NAT those are ours too.
    own.addresses.extend(&config.public_addresses);
    let store = open_store(&config.data_dir)?;
    let mailstore = open_mailstore(&config)?;
    let (people, directory) =
        People::load(store.clone(), declared(&config, &own)).map_err(|error| explain::people(&error))?;
    former::tell(&config, &directory);
    let authenticator = authenticator(&directory, &people, flavour, random.as_ref())?;
    authenticator.limit(config.login);
    authenticator.judge_tokens_by(tokens::judge(&config)?);
    let return_paths = return_paths(&config.return_path, &people, &store, random.as_ref())?;
    let people = Arc::new(people);
    let ldap = elsewhere(&config, &people, &authenticator)?;
    let resolver = resolver(&config, flavour)?;
    let (identities, authority) = identities(&config, flavour, clock.as_ref())?;
    let certificates = Certificates::new(&identities);
    let connector = HostConnector::new().map_err(Failure::new)?;
    let challenges = TlsChallenges::new().map_err(Failure::new)?;
    let by_tls = config.acme.as_ref().is_some_and(|acme| acme.settings.method == Method::Tls);
    let clients = config.clients.as_ref().and_then(config::Clients::authorities).cloned();
    let acceptors = Acceptors::new(&certificates, clients.as_ref(), by_tls.then_some(&challenges))?;
    let Sockets { mail, acme: opened } = sockets.map_or_else(|| process::bind(&config), Ok)?;
    let doors = door::doors(&config.listeners, mail, &acceptors);
    let parts = acme::Parts {
        disk: Arc::clone(&disk),
        clock: Arc::clone(&clock),
        random: Arc::clone(&random),
        certificates: certificates.clone(),
        challenges,
    };
    let acme = config.acme.as_ref().map(|acme| keeper(acme, &config.resolver, opened, parts)).transpose()?;
    own.sockets = doors.iter().map(Door::address).collect();
    let (keys, signing) = signing(&mut config, &directory, (&disk, &clock, &random, &resolver));
    Ok(Built {
        config,
        facts,
        maildir,
        mailbox: (flavour == Flavour::Dev).then_some(dev::LOGIN),
        authority,
        certificates,
        clients,
        connector,
        doors,
        acme,
        keys: Some(keys),
        signing,
        own,
        directory,
        people,
        authenticator,
        ldap,
        return_paths,
        store,
        mailstore,
        resolver,
        spool,
        events,
        disk,
        clock,
        random,
        _lock: lock,
    })
}

/// What keys are kept with.
type Machine<'a> = (&'a Arc<dyn Disk>, &'a Arc<dyn Clock>, &'a Arc<dyn Random>, &'a Arc<dyn Resolve>);

/// Reads the keys that mail is signed with, and tells delivery who signs.
fn signing(config: &mut Config, directory: &Directory, machine: Machine<'_>) -> (dkim_keys::Keeper, Signing) {
    let (disk, clock, random, resolver) = machine;
    Signing::open(config, directory, |domains| dkim_keys::Parts {
        disk: Arc::clone(disk),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        resolver: Arc::clone(resolver),
        domains,
    })
}

/// What `sendmail` has to know. Root, and who could read the maildrop anyway, may send as anybody.
pub(super) fn facts(config: &Config) -> Facts {
    let named = |user: &maildrop::User| config.sendmail.trusted_users.contains(&user.name);
    let trusted = maildrop::users().into_iter().filter(named).map(|user| user.uid);
    let own = rustix::process::getuid().as_raw();
    Facts {
        domain: config.sendmail.domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        message_size_max: config.receive.message_size_max,
        trusted: [0, own].into_iter().chain(trusted).collect(),
    }
}

/// Makes the data directory and locks it: two servers on one queue would deliver everything twice.
fn claim(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>, Failure> {
    disk.create_dir_all(dir).map_err(|error| explain::data_dir(dir, &error))?;
    disk.lock(dir).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => explain::locked(dir),
        _ => explain::data_dir(dir, &error),
    })
}

/// Makes the place for Maildirs, so that one that cannot be written stops the start and not each delivery.
fn maildir(disk: &dyn Disk, config: &Config) -> Result<Option<PathBuf>, Failure> {
    if config.deliver.local != LocalDelivery::Maildir {
        return Ok(None);
    }
    let root = &config.deliver.maildir_root;
    disk.create_dir_all(root).map_err(|error| explain::maildir(root, &error))?;
    Ok(Some(root.clone()))
}

fn open_spool(
    config: &Config,
    flavour: Flavour,
    disk: &Arc<dyn Disk>,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    events: &Arc<Log>,
) -> Result<Spool, Failure> {
    let dir = config::spool_dir(&config.data_dir);
    let usual = match flavour {
        Flavour::Server => spool::Config::new(dir),
        Flavour::Dev => spool::Config::small(dir),
    };
    let Bounds { memory_max, queued_recipients_max } = config.bounds;
    let settings = spool::Config {
        memory_max: usize::try_from(memory_max).unwrap_or(usize::MAX),
        recipients_max: usize::try_from(queued_recipients_max).unwrap_or(usize::MAX),
        host: Some(disk::this_machine().into()),
        ..usual
    };
    let opened =
        Spool::open(settings, Arc::clone(disk), Arc::clone(clock), Arc::clone(random), Arc::clone(events));
    let (spool, found) = opened.map_err(|error| explain::spool(&error))?;
    report(&found);
    Ok(spool)
}

/// Says what the spool found, loudly where mail may be lost.
fn report(found: &Opened) {
    let Opened { messages, recipients, segments, torn_octets, damage, orphans, caveat, taken_from } = found;
    tracing::info!(station = "spool", messages, recipients, segments, torn_octets, orphans, "spool opened");
    for what in damage {
        tracing::error!(station = "spool", "the spool is damaged: {what}");
    }
    if let Some(host) = taken_from {
        tracing::warn!(
            station = "spool",
            "this spool was last used by another machine, {host}: if that one still runs on it or on a copy of it, mail is delivered twice"
        );
    }
    match caveat {
        Some(Caveat::CopiesOnWrite(file_system)) => tracing::warn!(
            station = "spool",
            "{file_system} copies on write: the space that is kept in reserve may not be there when it is needed"
        ),
        Some(Caveat::Memory(file_system)) => tracing::warn!(
            station = "spool",
            "{file_system} is in memory: all mail in the queue is lost when this machine stops"
        ),
        // A spool on a network is not opened at all.
        Some(Caveat::Network(_)) | None => {}
    }
}

/// Opens the database and brings its tables up to date.
fn open_store(data_dir: &Path) -> Result<Store, Failure> {
    let file = config::store_file(data_dir);
    let (store, made) =
        Store::open(&file, &schemas::ALL).map_err(|error| Failure::new(&error).hint(error.hint()))?;
    tell_made(&made);
    Ok(store)
}

/// The same for mailboxes: a database of their own, so that no login waits for a delivery.
fn open_mailstore(config: &Config) -> Result<Option<Mailstore>, Failure> {
    if config.deliver.local != LocalDelivery::Mailstore {
        return Ok(None);
    }
    let opened = Mailstore::open(&config::mailboxes_file(&config.data_dir));
    let (mailstore, made) = opened.map_err(|error| explain::mailstore(&error))?;
    tell_made(&made);
    let percent = config.deliver.quota_warning;
    if percent > 0 {
        mailstore.warn_of_quotas(deliver::quota_warning(&config.deliver.hostname, percent));
    }
    let index = config::text_index_file(&config.data_dir);
    if let Err(error) = mailstore.open_index(&index) {
        tracing::error!(station = "mailstore", %error, "there is no index of texts: SEARCH reads the messages instead");
    }
    Ok(Some(mailstore))
}

fn tell_made(made: &[Pending]) {
    for Pending { owner, number, name } in made {
        tracing::info!(station = "store", owner, number, name, "tables brought up to date");
    }
}

/// What the configuration says of who exists, and by which addresses we are meant ourselves.
pub(super) fn declared(config: &Config, own: &Own) -> directory::Config {
    directory::Config { own_addresses: own.addresses.clone(), ..config.directory.clone() }
}

/// Who may log in. In development anybody.
fn authenticator(
    directory: &Arc<Directory>,
    people: &People,
    flavour: Flavour,
    random: &dyn Random,
) -> Result<Authenticator, Failure> {
    let directory = Arc::clone(directory);
    if flavour == Flavour::Dev {
        return Ok(Authenticator::for_anybody(directory));
    }
    let mut secret = [0; 32];
    random.fill(&mut secret);
    // The first that there was counts, so that nobody learns from a restart which logins are real.
    let secret = people.login_secret(&secret).map_err(|error: PeopleError| explain::people(&error))?;
    Ok(Authenticator::new(directory, &secret))
}

/// What makes reverse-paths, with what the server itself has as the last secret: what was made by it stays true when somebody gives another.
fn return_paths(
    settings: &config::ReturnPath,
    people: &People,
    store: &Store,
    random: &dyn Random,
) -> Result<ReturnPaths, Failure> {
    let mut new = [0; 32];
    random.fill(&mut new);
    let own = people.return_secret(&new).map_err(|error: PeopleError| explain::people(&error))?;
    let secrets = return_secrets(settings, own);
    let made = ReturnPaths::new(secrets, settings.days, settings.sign, Some(store.clone()));
    made.ok_or_else(|| Failure::new("there is no secret for reverse-paths".to_owned()))
}

/// Those of the configuration, and the server's own.
pub(super) fn return_secrets(settings: &config::ReturnPath, own: Vec<u8>) -> Vec<Vec<u8>> {
    let given = settings.secrets.iter().map(|secret| secret.expose().as_bytes().to_vec());
    given.chain([own]).collect()
}

/// Who asks directories elsewhere. They need not be there: that is told when they are asked.
fn elsewhere(
    config: &Config,
    people: &Arc<People>,
    authenticator: &Authenticator,
) -> Result<Arc<ldap::Keeper>, Failure> {
    let settings: Vec<ldap::Config> = config.ldap.iter().map(|ldap| ldap.settings.clone()).collect();
    let keeper = ldap::Keeper::new(&settings, Arc::clone(people)).map_err(|error| {
        Failure::new(format!("LDAP: {error}"))
            .hint("name the authority of the server's certificate by `ca_file`")
    })?;
    let keeper = Arc::new(keeper);
    if !settings.is_empty() {
        authenticator.ask_elsewhere(Arc::clone(&keeper) as Arc<dyn directory::Elsewhere>);
    }
    Ok(keeper)
}

fn resolver(config: &Config, flavour: Flavour) -> Result<Arc<dyn Resolve>, Failure> {
    if flavour == Flavour::Dev {
        return Ok(Arc::new(NoDns));
    }
    let resolver = net::resolver::Resolver::new(&config.resolver);
    Ok(Arc::new(resolver.map_err(|error| Failure::new(&error).hint(error.hint()))?))
}

/// Those of the configuration; in `dev` one of our own, and where its authority is.
fn identities(
    config: &Config,
    flavour: Flavour,
    clock: &dyn Clock,
) -> Result<(Vec<Identity>, Option<PathBuf>), Failure> {
    match flavour {
        Flavour::Server => Ok((config.identities.clone(), None)),
        Flavour::Dev => {
            let DevTls { identity, authority } = dev_tls::open(&config.data_dir, clock.now())?;
            Ok((vec![identity], Some(authority)))
        }
    }
}

/// Shows the certificate that is kept, and takes the ports for challenges.
fn keeper(
    acme: &config::Acme,
    resolver: &net::resolver::Config,
    bound: Vec<Bound>,
    parts: acme::Parts,
) -> Result<(Keeper, Vec<Bound>), Failure> {
    for bound in &bound {
        tracing::info!(address = %bound.address(), challenge = acme.settings.method.word(), "listening for an authority");
    }
    let keeper = Keeper::open(acme.following(&resolver.servers), parts);
    Ok((keeper.map_err(|error| explain::acme(&error))?, bound))
}

/// The control socket; needs the runtime.
pub(super) fn control(data_dir: &Path) -> Result<UnixListener, Failure> {
    admin::bind(&config::control_socket(data_dir)).map_err(|error| Failure::new(&error).hint(error.hint()))
}
