//! Failed logins, over all protocols: a delay that grows, then a ban.
//!
//! Counted are the client, an IPv4 address or a /64 of IPv6, and the login that it names. A login from where it has succeeded before is counted by
//! itself alone, so that whoever guesses the passwords of others locks nobody out, and neither does an old password in one device lock out the
//! others behind the same address. A success takes nothing back from the client's account: else one good login among the guesses would pay for all.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use mail::Timestamp;

use crate::{Table, Weigh};

/// Clients and logins whose failures are remembered at a time.
const STRUCK_MAX: usize = 65_536;
/// Pairs of a login and a client that are known to go together.
const KNOWN_MAX: usize = 65_536;
/// How long a success is remembered.
const KNOWN_FOR: Duration = Duration::from_hours(30 * 24);
/// One failure is forgiven in this time.
const FORGIVEN: Duration = Duration::from_mins(10);
/// How long bans are remembered, so that the next one is longer.
const BANS_FOR: Duration = Duration::from_hours(7 * 24);
/// Octets of a login that are remembered: the longest address has fewer.
const LOGIN_OCTETS_MAX: usize = 320;
/// Failures of a client that have no consequence: people mistype.
const FREE: u32 = 3;
/// Failures of a login from places where it never succeeded that have no consequence.
const FREE_OF_LOGIN: u32 = 20;
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_LAST: Duration = Duration::from_mins(1);
/// For a login; no ban, so that somebody on a journey gets in sooner or later.
const DELAY_LAST_OF_LOGIN: Duration = Duration::from_mins(15);

/// When failures become a ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginLimits {
    /// Failures of a client until it is banned.
    pub failures_max: u32,
    /// The first ban; each further one is twice as long.
    pub ban: Duration,
    /// The longest one.
    pub ban_max: Duration,
}

impl Default for LoginLimits {
    fn default() -> Self {
        Self { failures_max: 20, ban: Duration::from_mins(15), ban_max: Duration::from_hours(24) }
    }
}

/// Who wants in from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The client, unless it is local.
    pub client: Option<IpAddr>,
    /// Many people come from that address, such as those of a web mail on this machine: it is not banned for what one of them does.
    pub shared: bool,
    /// The login as the client names it; empty if it names none.
    pub login: &'a str,
    /// Now.
    pub at: Timestamp,
}

/// Who is not let in for now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A client, whatever login it names.
    Client(Place),
    /// A login, from places where it never succeeded.
    Login(Box<str>),
    /// A login, from a place where it has succeeded.
    Pair(Box<str>, Place),
}

/// Where a client is: an IPv4 address, or a /64 of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(IpAddr);

impl Place {
    /// Where that address is.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, if self.0.is_ipv6() { "/64" } else { "" })
    }
}

/// Somebody who is not let in for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub subject: Subject,
    /// Failures that are not forgiven yet.
    pub failures: u32,
    /// Until when.
    pub until: Timestamp,
}

/// What somebody did wrong. Times in milliseconds.
#[derive(Debug, Default)]
struct Strikes {
    failures: u32,
    last: u64,
    until: u64,
    bans: u32,
}

impl Weigh for Strikes {
    /// How long it takes until nothing is left of it.
    fn weight(&self, now: u64) -> u64 {
        let left = millis(FORGIVEN).saturating_mul(self.failures.into());
        self.last.max(self.until).saturating_add(left).saturating_sub(now)
    }
}

/// When a login succeeded last, and how often it did.
#[derive(Debug, Default)]
struct Known {
    last: u64,
    times: u64,
}

impl Weigh for Known {
    /// Who has one password and comes from a million places does not push out those who come every day.
    fn weight(&self, now: u64) -> u64 {
        if now.saturating_sub(self.last) > millis(KNOWN_FOR) { 0 } else { self.times }
    }
}

/// A login, or any, and a place.
type KnownKey = (Option<Box<str>>, Place);

/// Remembers who failed, and who is known.
#[derive(Debug)]
pub struct Logins {
    struck: Table<Subject, Strikes>,
    known: Table<KnownKey, Known>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { struck: Table::new(STRUCK_MAX), known: Table::new(KNOWN_MAX) }
    }
}

impl Logins {
    /// Whether this attempt may be looked at at all. If not: who is closed out, and until when.
    pub fn admits(&self, caller: &Caller<'_>, limits: &LoginLimits) -> Result<(), Ban> {
        let now = caller.at.as_millis();
        for subject in self.subjects(caller) {
            let closed = self.struck.look(&subject, |strikes| {
                (is_closed(strikes, now, limits)).then_some((strikes.failures, strikes.until))
            });
            if let Some(Some((failures, until))) = closed {
                return Err(Ban { subject, failures, until: Timestamp::from_millis(until) });
            }
        }
        Ok(())
    }

    /// Whether a client is banned and nobody is known who comes from there: then it need not even be greeted.
    pub fn is_banned(&self, client: IpAddr, at: Timestamp, limits: &LoginLimits) -> bool {
        let (place, now) = (Place::of(client), at.as_millis());
        let is_banned = |strikes: &mut Strikes| {
            is_closed(strikes, now, limits) && strikes.failures >= limits.failures_max
        };
        self.struck.look(&Subject::Client(place), is_banned).unwrap_or(false) && !self.knows(None, place, now)
    }

    /// Whether this login has succeeded before from where the client is.
    pub fn is_known(&self, caller: &Caller<'_>) -> bool {
        let Some(client) = caller.client else { return false };
        self.knows(Some(folded(caller.login)), Place::of(client), caller.at.as_millis())
    }

    /// An attempt has failed.
    pub fn failed(&self, caller: &Caller<'_>, limits: &LoginLimits) {
        let now = caller.at.as_millis();
        for subject in self.subjects(caller) {
            let rule = Rule::of(&subject, caller.shared, limits);
            self.struck.enter(&subject, now, |strikes| strike(strikes, now, &rule, limits));
        }
    }

    /// An attempt has succeeded.
    pub fn succeeded(&self, caller: &Caller<'_>) {
        let Some(client) = caller.client else { return };
        let (place, now, login) = (Place::of(client), caller.at.as_millis(), folded(caller.login));
        self.struck.forget(&Subject::Pair(login.clone(), place));
        for key in [(Some(login), place), (None, place)] {
            self.known.enter(&key, now, |known| {
                known.last = now;
                known.times = known.times.saturating_add(1).min(1000);
            });
        }
    }

    /// Everybody who is not let in now, in no order.
    pub fn bans(&self, at: Timestamp, limits: &LoginLimits) -> Vec<Ban> {
        let now = at.as_millis();
        self.struck.collect(|subject, strikes| {
            is_closed(strikes, now, limits).then(|| Ban {
                subject: subject.clone(),
                failures: strikes.failures,
                until: Timestamp::from_millis(strikes.until),
            })
        })
    }

    /// Forgets the failures of a client or a login, in pairs too. How many entries that were.
    pub fn lift(&self, who: &str) -> usize {
        let place = who.trim_end_matches("/64").parse().ok().map(Place::of);
        let login = folded(who);
        let is_meant = |subject: &Subject| match (subject, place) {
            (Subject::Client(at), Some(place)) => *at == place,
            (Subject::Pair(_, at), Some(place)) if *at == place => true,
            (Subject::Login(name) | Subject::Pair(name, _), _) => *name == login,
            (Subject::Client(_), None) => false,
        };
        let meant = self.struck.collect(|subject, _| is_meant(subject).then(|| subject.clone()));
        meant.iter().filter(|subject| self.struck.forget(subject)).count()
    }

    /// On whose account an attempt goes.
    fn subjects(&self, caller: &Caller<'_>) -> Vec<Subject> {
        let Some(client) = caller.client else { return Vec::new() };
        let (place, login) = (Place::of(client), folded(caller.login));
        if self.knows(Some(login.clone()), place, caller.at.as_millis()) {
            return vec![Subject::Pair(login, place)];
        }
        let client = (!caller.shared).then_some(Subject::Client(place));
        // Who names no login, but shows a token that does, is nobody's guesser.
        let login = (!login.is_empty()).then_some(Subject::Login(login));
        client.into_iter().chain(login).collect()
    }

    fn knows(&self, login: Option<Box<str>>, place: Place, now: u64) -> bool {
        let recent = |known: &mut Known| now.saturating_sub(known.last) <= millis(KNOWN_FOR);
        self.known.look(&(login, place), recent).unwrap_or(false)
    }
}

/// What failures lead to.
struct Rule {
    free: u32,
    delay_last: Duration,
    /// Failures until a ban; `None` for never.
    ban: Option<u32>,
}

impl Rule {
    fn of(subject: &Subject, shared: bool, limits: &LoginLimits) -> Self {
        let ban = Some(limits.failures_max);
        match subject {
            Subject::Client(_) => Self { free: FREE, delay_last: DELAY_LAST, ban },
            Subject::Pair(..) => Self { free: FREE, delay_last: DELAY_LAST, ban: ban.filter(|_| !shared) },
            Subject::Login(_) => Self { free: FREE_OF_LOGIN, delay_last: DELAY_LAST_OF_LOGIN, ban: None },
        }
    }
}

fn strike(strikes: &mut Strikes, now: u64, rule: &Rule, limits: &LoginLimits) {
    // Nobody is forgiven for the time of a ban.
    let quiet = now.saturating_sub(strikes.last.max(strikes.until));
    let forgiven = quiet.checked_div(millis(FORGIVEN)).and_then(|some| u32::try_from(some).ok());
    strikes.failures = strikes.failures.saturating_sub(forgiven.unwrap_or(u32::MAX)).saturating_add(1);
    if quiet > millis(BANS_FOR) {
        strikes.bans = 0;
    }
    strikes.last = now;
    let closed = match rule.ban {
        Some(most) if strikes.failures >= most => {
            let ban = doubled(limits.ban, strikes.bans, limits.ban_max);
            strikes.bans = strikes.bans.saturating_add(1);
            ban
        }
        _ if strikes.failures > rule.free => doubled(
            DELAY_FIRST,
            strikes.failures.saturating_sub(rule.free).saturating_sub(1),
            rule.delay_last,
        ),
        _ => Duration::ZERO,
    };
    strikes.until = now.saturating_add(millis(closed));
}

/// A time further away than any ban is one from before the clock was set back.
fn is_closed(strikes: &Strikes, now: u64, limits: &LoginLimits) -> bool {
    let longest = limits.ban_max.max(DELAY_LAST_OF_LOGIN);
    strikes.until > now && strikes.until.saturating_sub(now) <= millis(longest)
}

fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(last)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Case does not tell logins apart, and nobody fills our memory by long ones.
fn folded(login: &str) -> Box<str> {
    let mut end = login.len().min(LOGIN_OCTETS_MAX);
    while !login.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    login.get(..end).unwrap_or_default().to_lowercase().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LoginLimits =
        LoginLimits { failures_max: 6, ban: Duration::from_mins(15), ban_max: Duration::from_hours(1) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis((1_000_000 + seconds) * 1000)
    }

    fn caller<'a>(client: &str, login: &'a str, seconds: u64) -> Caller<'a> {
        Caller { client: Some(client.parse().unwrap()), shared: false, login, at: at(seconds) }
    }

    fn closed_for(logins: &Logins, caller: &Caller<'_>) -> u64 {
        let closed = logins.admits(caller, &LIMITS).err();
        closed.map_or(0, |ban| (ban.until.as_millis() - caller.at.as_millis()) / 1000)
    }

    #[test]
    fn the_delay_grows_and_ends_in_a_ban_that_is_longer_each_time() {
        let logins = Logins::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..9 {
            logins.failed(&caller("192.0.2.1", "anna", now), &LIMITS);
            let wait = closed_for(&logins, &caller("192.0.2.1", "other", now));
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 900, 1800, 3600, 3600]);
        assert_eq!(closed_for(&logins, &caller("192.0.2.2", "anna", now)), 0, "another client");
    }

    #[test]
    fn failures_are_forgiven_with_time() {
        let logins = Logins::default();
        for week in 0..20 {
            let caller = caller("192.0.2.1", "anna", week * 3600);
            logins.failed(&caller, &LIMITS);
            assert_eq!(closed_for(&logins, &caller), 0);
        }
    }

    #[test]
    fn an_ipv6_client_is_its_64_and_a_mapped_address_is_ipv4() {
        let logins = Logins::default();
        for host in 0..6 {
            logins.failed(&caller(&format!("2001:db8::{host}"), "anna", 0), &LIMITS);
            logins.failed(&caller("::ffff:192.0.2.1", "anna", 0), &LIMITS);
        }
        assert!(logins.is_banned("2001:db8::ffff".parse().unwrap(), at(1), &LIMITS));
        assert!(logins.is_banned("192.0.2.1".parse().unwrap(), at(1), &LIMITS));
        assert!(!logins.is_banned("2001:db8:0:1::1".parse().unwrap(), at(1), &LIMITS));
    }

    #[test]
    fn guesses_from_everywhere_delay_strangers_but_do_not_lock_the_owner_out() {
        let logins = Logins::default();
        logins.succeeded(&caller("198.51.100.7", "Anna", 0));
        for place in 0..200 {
            logins.failed(&caller(&format!("192.0.2.{place}"), "anna", 60), &LIMITS);
        }
        assert_eq!(
            closed_for(&logins, &caller("203.0.113.1", "anna", 60)),
            900,
            "a stranger waits, but is not banned"
        );
        assert_eq!(closed_for(&logins, &caller("203.0.113.1", "bob", 60)), 0);
        assert_eq!(closed_for(&logins, &caller("198.51.100.7", "anna", 60)), 0, "where she was before");
    }

    #[test]
    fn one_device_with_an_old_password_locks_out_nobody_else_behind_its_address() {
        let logins = Logins::default();
        logins.succeeded(&caller("192.0.2.1", "anna", 0));
        for _ in 0..9 {
            logins.failed(&caller("192.0.2.1", "bob", 1), &LIMITS);
        }
        assert_eq!(closed_for(&logins, &caller("192.0.2.1", "anna", 1)), 0);
        assert!(closed_for(&logins, &caller("192.0.2.1", "carol", 1)) > 0);
        assert!(!logins.is_banned("192.0.2.1".parse().unwrap(), at(1), &LIMITS), "anna is to be greeted");
        // But her password is not free to be guessed from there.
        for _ in 0..9 {
            logins.failed(&caller("192.0.2.1", "anna", 1), &LIMITS);
        }
        assert!(closed_for(&logins, &caller("192.0.2.1", "anna", 1)) > 0);
    }

    #[test]
    fn a_login_is_known_where_it_has_succeeded_and_nowhere_else() {
        let logins = Logins::default();
        logins.succeeded(&caller("192.0.2.1", "anna@example.org", 0));
        assert!(logins.is_known(&caller("192.0.2.1", "ANNA@example.org", 60)));
        for (client, login) in [("192.0.2.2", "anna@example.org"), ("192.0.2.1", "bert@example.org")] {
            assert!(!logins.is_known(&caller(client, login, 60)), "{client} {login}");
        }
        assert!(!logins.is_known(&Caller { client: None, ..caller("192.0.2.1", "anna@example.org", 60) }));
    }

    #[test]
    fn a_good_login_among_the_guesses_pays_for_none_of_them() {
        let logins = Logins::default();
        for _ in 0..6 {
            logins.failed(&caller("192.0.2.1", "anna", 0), &LIMITS);
            logins.succeeded(&caller("192.0.2.1", "mallory", 0));
        }
        assert!(closed_for(&logins, &caller("192.0.2.1", "anna", 0)) > 0);
    }

    #[test]
    fn failures_without_a_login_are_the_clients_alone() {
        let logins = Logins::default();
        for place in 100..130 {
            logins.failed(&caller(&format!("192.0.2.{place}"), "", 0), &LIMITS);
        }
        assert_eq!(closed_for(&logins, &caller("198.51.100.1", "", 0)), 0);
        for _ in 0..6 {
            logins.failed(&caller("192.0.2.1", "", 0), &LIMITS);
        }
        assert_eq!(closed_for(&logins, &caller("192.0.2.1", "", 0)), 900);
    }

    #[test]
    fn a_shared_address_is_never_banned() {
        let logins = Logins::default();
        let shared = |login| Caller { shared: true, ..caller("127.0.0.1", login, 0) };
        logins.succeeded(&shared("anna"));
        for _ in 0..500 {
            logins.failed(&shared("anna"), &LIMITS);
            logins.failed(&shared("bob"), &LIMITS);
        }
        assert_eq!(closed_for(&logins, &shared("carol")), 0);
        assert!(!logins.is_banned("127.0.0.1".parse().unwrap(), at(0), &LIMITS));
        assert_eq!(closed_for(&logins, &shared("anna")), 60);
        let local = Caller { client: None, ..shared("anna") };
        assert_eq!(closed_for(&logins, &local), 0);
    }

    #[test]
    fn bans_are_listed_and_lifted_by_client_and_by_login() {
        let logins = Logins::default();
        for _ in 0..30 {
            logins.failed(&caller("2001:db8::1", "Anna", 0), &LIMITS);
        }
        let mut listed: Vec<String> =
            logins.bans(at(1), &LIMITS).iter().map(|ban| format!("{:?}", ban.subject)).collect();
        listed.sort();
        assert_eq!(listed, ["Client(Place(2001:db8::))", "Login(\"anna\")"]);
        assert_eq!((logins.lift("2001:db8::/64"), logins.lift("ANNA"), logins.lift("ANNA")), (1, 1, 0));
        assert_eq!(logins.bans(at(1), &LIMITS), []);
    }

    #[test]
    fn a_clock_that_was_set_back_bans_nobody_for_years() {
        let logins = Logins::default();
        for _ in 0..9 {
            logins.failed(&caller("192.0.2.1", "anna", 1_000_000_000), &LIMITS);
        }
        assert_eq!(closed_for(&logins, &caller("192.0.2.1", "anna", 0)), 0);
    }

    #[test]
    fn a_flood_of_logins_takes_no_more_memory_than_the_table_has() {
        let logins = Logins::default();
        for _ in 0..9 {
            logins.failed(&caller("192.0.2.1", "anna", 0), &LIMITS);
        }
        let long = "x".repeat(10_000);
        for number in 0..200_000_u32 {
            let login = format!("{number}{long}");
            let client = IpAddr::from(number.to_be_bytes());
            logins.failed(&Caller { client: Some(client), ..caller("192.0.2.1", &login, 0) }, &LIMITS);
        }
        let kept = logins.struck.collect(|subject, _| match subject {
            Subject::Login(login) => Some(login.len()),
            _ => Some(0),
        });
        assert!(kept.len() <= STRUCK_MAX && kept.iter().all(|octets| *octets <= LOGIN_OCTETS_MAX));
        assert!(
            closed_for(&logins, &caller("192.0.2.1", "any", 1)) > 0,
            "the one that matters is still there"
        );
    }
}
