//! The log on standard error: text for people or an object a line for programs, and panics in it.

use std::{fmt, panic};

use disk::{Clock, SystemClock};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer,
    filter::Targets,
    fmt::{format::Writer, layer, time::FormatTime},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    config::{Log, LogFormat, LogLevel},
    failure::Failure,
    terminal,
};

/// Begins to log, for the rest of the process.
pub(super) fn start(log: Log) -> Result<(), Failure> {
    let level = level(log.level);
    // What libraries have to say is only worth it when something is wrong, or when everything is wanted.
    let libraries = if log.level == LogLevel::Trace { level } else { level.min(LevelFilter::WARN) };
    let mut filter = Targets::new().with_default(libraries);
    for ours in [
        "acme",
        "admin",
        "deliver",
        "directory",
        "disk",
        "events",
        "ldap",
        "net",
        "oauth",
        "postrider",
        "receive",
        "spool",
        "store",
    ] {
        filter = filter.with_target(ours, level);
    }
    let layer = layer().with_timer(Time).with_writer(std::io::stderr).with_target(false);
    let layer = match log.format {
        LogFormat::Text => layer.with_ansi(terminal::colours_on_stderr()).boxed(),
        LogFormat::Json => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    let started = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    started.map_err(|error| Failure::new(format!("cannot log: {error}")))?;
    log_panics();
    Ok(())
}

/// The time as the event log has it.
struct Time;

impl FormatTime for Time {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        write!(line, "{}", SystemClock.now())
    }
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// A panic ends one task, never the server; it is a bug all the same, and the log must say where.
fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("no words");
        tracing::error!(place, "panic: {what}. This is a bug; please report it");
    }));
}
