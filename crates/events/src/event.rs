//! One thing that happened to a message, as a line of JSON.

use std::borrow::Cow;

use mail::{QueueId, Timestamp, TlsFacts};
use serde::{Deserialize, Serialize};

use crate::Auth;

/// The version of the line's schema. Fields may be added under the same version; one whose meaning changes raises it.
pub const VERSION: u32 = 1;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The message became ours.
    Accepted,
    /// What was found about who answers for it: SPF, DKIM, DMARC, ARC; `reason` says it.
    Checked,
    /// An attempt failed for now; the recipient stays.
    Deferred,
    /// The next hop or the mailbox has it.
    Delivered,
    /// Given up after a permanent failure.
    Bounced,
    /// Given up after its lifetime.
    Expired,
    /// Discarded by policy, or as what no mailing list sends on; without a report.
    Dropped,
    /// It was sent on, to the members of a mailing list or to where its address leads; `report` names the message that they get.
    Expanded,
    /// A report was sent; `report` names it.
    Dsn,
    /// Taken out of the queue by an operator.
    Removed,
    /// A report could neither be delivered nor reported (RFC 5321 §6.1).
    DiscardedReport,
    /// Refused for what was found about who answers for it; the client was told `reply`, and nothing of the message is kept.
    Refused,
    /// Marked as junk.
    Junk,
    /// Put on hold.
    Held,
    /// Taken off hold.
    Released,
    /// Octets of it were found damaged in the spool; `reason` says what is lost.
    Damaged,
    /// A kind that a later version writes.
    #[serde(other)]
    Unknown,
}

impl Kind {
    /// All that are written.
    pub const ALL: [Self; 16] = [
        Self::Accepted,
        Self::Checked,
        Self::Deferred,
        Self::Delivered,
        Self::Bounced,
        Self::Expired,
        Self::Dropped,
        Self::Expanded,
        Self::Dsn,
        Self::Removed,
        Self::DiscardedReport,
        Self::Refused,
        Self::Junk,
        Self::Held,
        Self::Released,
        Self::Damaged,
    ];

    /// Its word in the log.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Checked => "checked",
            Self::Deferred => "deferred",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Expired => "expired",
            Self::Dropped => "dropped",
            Self::Expanded => "expanded",
            Self::Dsn => "dsn",
            Self::Removed => "removed",
            Self::DiscardedReport => "discarded-report",
            Self::Refused => "refused",
            Self::Junk => "junk",
            Self::Held => "held",
            Self::Released => "released",
            Self::Damaged => "damaged",
            Self::Unknown => "unknown",
        }
    }
}

/// The host that an attempt spoke to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mx {
    /// Its name, as DNS or the configuration gave it.
    pub host: String,
    /// Its address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// How a session was protected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tls {
    /// The version of the protocol, such as `TLSv1.3`; none if the session was in clear, for the reason in `failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The cipher suite by its IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// Of a host that we sent to: whether we made sure by its certificate that it is this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<bool>,
    /// Why a host that offers TLS was spoken to in clear, or why nothing was sent to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Of a host: what was asked of the session, such as `opportunistic` or `verify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Of a host: the certificate that it showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// A certificate that a host showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// `sha256:` and hexadecimal digits.
    pub fingerprint: String,
    /// The first few names of hosts that it is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// What a client agreed on with us.
impl From<&TlsFacts> for Tls {
    fn from(TlsFacts { version, cipher }: &TlsFacts) -> Self {
        let (protocol, cipher) = (Some(version.to_string()), Some(cipher.to_string()));
        Self { protocol, cipher, ..Self::default() }
    }
}

/// An event. What does not apply is left out of the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The place in the spool's order; given when the event is committed, 0 before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lsn: u64,
    /// The version of the schema, [`VERSION`].
    pub v: u32,
    /// When it happened, RFC 3339 in UTC.
    #[serde(with = "timestamp")]
    pub at: Timestamp,
    /// The message.
    #[serde(with = "queue_id")]
    pub id: QueueId,
    /// What happened.
    pub kind: Kind,
    /// Where in Postrider it happened: `receive`, `deliver/remote`, `deliver/local`, `report`, `admin`.
    pub station: Cow<'static, str>,
    /// The reverse-path, without angle brackets; empty for the null one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverse_path: Option<String>,
    /// The recipient it happened to; none if it happened to the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// All recipients, of a message that became ours; those that a rule dropped or put on hold, if they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// Recipients as the client wrote them, where they became others, such as aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub original_recipients: Vec<String>,
    /// The Message-ID field, angle brackets included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Octets of content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The address of the client that gave us the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The login of the account that gave us the message, if its client has logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The host that was spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mx: Option<Mx>,
    /// How the session with that host, or with the client, was protected; none: in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The site of that host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The reply in the peer's own words, or ours where no peer spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// Which attempt it was, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When the next attempt is due.
    #[serde(default, with = "optional_timestamp", skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// The queue id of the report that was sent, or of the message that a list's members get.
    #[serde(default, with = "optional_queue_id", skip_serializing_if = "Option::is_none")]
    pub report: Option<QueueId>,
    /// What the report says of its recipients, each word once: `failed`, `delayed`, `delivered`, `relayed`, `expanded`
    /// (RFC 3464 §2.3.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
    /// Why, in our words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The rule that decided it, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who answers for the message, and what was decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Box<Auth>>,
}

impl Event {
    /// An event with nothing but what every event has.
    pub fn new(at: Timestamp, id: QueueId, kind: Kind, station: &'static str) -> Self {
        Self {
            lsn: 0,
            v: VERSION,
            at,
            id,
            kind,
            station: Cow::Borrowed(station),
            reverse_path: None,
            recipient: None,
            recipients: Vec::new(),
            original_recipients: Vec::new(),
            message_id: None,
            size: None,
            client: None,
            account: None,
            mx: None,
            tls: None,
            site: None,
            reply: None,
            attempt: None,
            next_due: None,
            report: None,
            actions: Vec::new(),
            reason: None,
            rule: None,
            auth: None,
        }
    }

    /// A report about the message `id` is on its way to somebody.
    pub fn report_sent(
        at: Timestamp,
        id: QueueId,
        station: &'static str,
        report: QueueId,
        to: &str,
        actions: &[&str],
    ) -> Self {
        Self {
            recipient: Some(to.to_owned()),
            report: Some(report),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            ..Self::new(at, id, Kind::Dsn, station)
        }
    }

    /// The line without its line end.
    pub fn to_line(&self) -> Vec<u8> {
        // Only a map with keys that are no strings, or a failing writer, could fail here: there is neither.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a line; none if it is no event, or one of a version we do not know.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(line).ok().filter(|event| event.v <= VERSION)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(lsn: &u64) -> bool {
    *lsn == 0
}

/// Reads what [`Timestamp`] shows: `2026-11-23T18:02:14.000Z`.
pub(crate) fn parse_timestamp(text: &str) -> Option<Timestamp> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    if text.len() != 24 || !text.ends_with('Z') {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second, millis) = (number(11..13)?, number(14..16)?, number(17..19)?, number(20..23)?);
    if year < 1970 || !(1..=days_in(year, month)).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // The inverse of `Timestamp::civil`: years that begin on 1 March.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    Some(Timestamp::from_millis((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis))
}

/// How many days a month has; none if there is no such month.
fn days_in(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// Reads a time in UTC as a person writes it: `2026-11-23`, `2026-11-23 18:02` or `2026-11-23T18:02:14.123Z`.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    const MIDNIGHT: &str = "0000-00-00T00:00:00.000";
    let bare = text.trim().trim_end_matches('Z').replace(' ', "T");
    let rest = MIDNIGHT.get(bare.len()..)?;
    let ends_between_numbers =
        bare.len() >= 10 && matches!(rest.chars().next(), None | Some('T' | ':' | '.'));
    let shape = |(at, c): (usize, char)| match MIDNIGHT.get(at..=at) {
        Some("0") => c.is_ascii_digit(),
        Some(mark) => mark.starts_with(c),
        None => false,
    };
    let is_time = ends_between_numbers && bare.char_indices().all(shape);
    is_time.then(|| parse_timestamp(&format!("{bare}{rest}Z")))?
}

mod timestamp {
    #![expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    use mail::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        super::parse_timestamp(&text).ok_or_else(|| D::Error::custom("no timestamp"))
    }
}

mod optional_timestamp {
    use mail::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => to.collect_str(at),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<String>::deserialize(from)?
            .map(|text| super::parse_timestamp(&text).ok_or_else(|| D::Error::custom("no timestamp")))
            .transpose()
    }
}

mod queue_id {
    use mail::QueueId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &QueueId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<QueueId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod optional_queue_id {
    use mail::QueueId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(id: &Option<QueueId>, to: S) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => to.collect_str(id),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<QueueId>, D::Error> {
        Option::<String>::deserialize(from)?.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_same_event() {
        let at = Timestamp::from_millis(1_795_456_934_123);
        let id = QueueId::new(at, 3, 77);
        let mut event = Event::new(at, id, Kind::Deferred, "deliver/remote");
        event.recipient = Some("anna@example.org".into());
        event.reply = Some("450 4.2.0 \"try\" later".into());
        event.next_due = Some(Timestamp::from_millis(951_782_400_000));
        event.report = Some(id);
        event.mx = Some(Mx { host: "mx.example.org".into(), address: None });
        let line = event.to_line();
        assert_eq!(Event::from_line(&line), Some(event));
        assert!(!line.contains(&b'\n'));
    }

    #[test]
    fn a_later_kind_is_read_and_a_later_version_is_not() {
        let at = Timestamp::from_millis(0);
        let line = Event::new(at, QueueId::new(at, 0, 0), Kind::Held, "admin").to_line();
        let text = String::from_utf8(line).unwrap();
        let later = text.replace("held", "teleported").replace("\"v\"", "\"new\":1,\"v\"");
        assert_eq!(Event::from_line(later.as_bytes()).unwrap().kind, Kind::Unknown);
        assert_eq!(Event::from_line(text.replace("\"v\":1", "\"v\":2").as_bytes()), None);
    }

    #[test]
    fn timestamps_parse_to_what_was_shown() {
        for millis in [0, 951_782_400_000, 951_868_799_999, 1_795_456_934_000, 4_107_542_400_000] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(parse_timestamp(&at.to_string()), Some(at));
        }
        assert!(parse_time("2024-02-29").is_some());
        for text in ["2026-11-23", "2026-11-23 00", "2026-11-23T00:00Z", "2026-11-23 00:00:00.000"] {
            assert_eq!(
                parse_time(text).map(|at| at.to_string()).as_deref(),
                Some("2026-11-23T00:00:00.000Z"),
                "{text}"
            );
        }
        for text in [
            "",
            "2026",
            "2026-11-2",
            "2026-11-23T1",
            "2026-11-23x10",
            "yesterday..",
            "2026-11-23T18:02:14.123456Z",
            "2026-02-29",
            "2026-04-31",
            "2026-11-23T24:00",
            "2026-11-23T23:60",
            "9999-12-31T33:59:59.999Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in ["", "2026-11-23T18:02:14Z", "2026-13-23T18:02:14.000Z", "0000-01-01T00:00:00.000Z"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
