//! What is read from strangers, from disks and from operators, as functions of octets that a fuzzer calls.
//!
//! *Takes* octets. *Hands on* nothing: a target returns if all that it claims of them holds, and panics if not.
//! *Never* is part of the program. On stable, a test replays all of `corpus` and `finds`; `cargo xtask fuzz` looks for more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a panic is how a target tells what it has found"
)]

mod scripted;
mod source;
mod talk;
mod targets;

use targets::{
    address, arc, author, autodiscover, checks, chunks, client, command, config, content, convert, dkim,
    dkim_key, dmarc, dsn, event, header, imap_client, imap_command, imap_server, mime, mta_sts, pattern,
    pop3, proxy, query, record, reply, results, segment, server, site, spf, srs,
};

/// Something that reads octets, and what must hold of it.
pub struct Target {
    /// Its name: the folders of its corpus and its finds.
    pub name: &'static str,
    /// Panics if anything that must hold does not.
    pub run: fn(&[u8]),
}

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("command", command::run),
    target("reply", reply::run),
    target("address", address::run),
    target("data", content::run),
    target("bdat", chunks::run),
    target("server", server::run),
    target("client", client::run),
    target("header", header::run),
    target("convert", convert::run),
    target("dsn", dsn::run),
    target("config", config::run),
    target("record", record::run),
    target("segment", segment::run),
    target("pattern", pattern::run),
    target("event", event::run),
    target("site", site::run),
    target("query", query::run),
    target("autodiscover", autodiscover::run),
    target("proxy", proxy::run),
    target("imap_command", imap_command::run),
    target("imap_server", imap_server::run),
    target("imap_client", imap_client::run),
    target("pop3", pop3::run),
    target("mime", mime::run),
    target("dkim", dkim::run),
    target("dkim_key", dkim_key::run),
    target("arc", arc::run),
    target("spf", spf::run),
    target("dmarc", dmarc::run),
    target("author", author::run),
    target("srs", srs::run),
    target("results", results::run),
    target("checks", checks::run),
    target("mta_sts", mta_sts::run),
];

/// The target of a name.
pub fn by_name(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
