//! `[[tls.policy]]`, `deliver.tls` and `deliver.tls_ca_file`: how hosts that mail goes to must be protected. Where files are is a part of the
//! configuration; what is in them is read when it is loaded.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use deliver::{Pattern, TlsPolicy, TlsRule, Verify};
use net::{Anchors, Fingerprint, Roots};
use serde_json::{Value, json};
use toml_span::Span;

use super::{
    acme::anchors, next_hop::host_name, problem::Problem, routes::pattern, sections::path, value::Wrong,
    walk::Section,
};

/// A file, and where the configuration names it.
type File = (PathBuf, Range<usize>);

/// What is asked of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TlsPolicies {
    /// Who is believed, if not whom this machine believes.
    ca_file: Option<File>,
    rules: Vec<Rule>,
    /// Where something asks for authorities of this machine.
    needs_roots: Option<Range<usize>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    rule: TlsRule,
    ca_file: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    None,
    Opportunistic,
    Must,
    Verify,
    Fingerprint,
}

const MODES: [(&str, Mode); 5] = [
    ("none", Mode::None),
    ("opportunistic", Mode::Opportunistic),
    ("must", Mode::Must),
    ("verify", Mode::Verify),
    ("fingerprint", Mode::Fingerprint),
];

/// Reads `deliver.tls` and `deliver.tls_ca_file`.
pub(super) fn usual(section: &Section<'_>, dir: &Path, policies: &mut TlsPolicies) -> Option<TlsPolicy> {
    policies.ca_file = file(section, "tls_ca_file", dir);
    let (modes, _) = MODES.split_at(4);
    let mode = section.choice("tls", modes);
    if let (Some(Mode::Verify), Some(value)) = (mode, section.get("tls")) {
        policies.needs_roots = Some(value.span.into());
    }
    Some(match mode? {
        Mode::None => TlsPolicy::None,
        Mode::Must => TlsPolicy::Must,
        Mode::Verify => TlsPolicy::Verify(Verify::default()),
        Mode::Opportunistic | Mode::Fingerprint => TlsPolicy::Opportunistic,
    })
}

fn file(section: &Section<'_>, key: &'static str, dir: &Path) -> Option<File> {
    let file = section.parsed(key, |text| path(text, dir))?;
    Some((file, section.get(key).map_or(section.span(), |value| value.span).into()))
}

/// Reads all of `[[tls.policy]]`.
pub(super) fn read(tls: &Section<'_>, dir: &Path) -> TlsPolicies {
    let mut policies = TlsPolicies::default();
    let mut taken: Vec<(Pattern, Span)> = Vec::new();
    for section in tls.sections("policy") {
        let rule = one(&section, dir, &mut taken);
        let by_system = rule.as_ref().is_some_and(Rule::needs_roots);
        if by_system && policies.needs_roots.is_none() {
            policies.needs_roots = Some(section.span().into());
        }
        policies.rules.extend(rule);
        section.finish();
    }
    policies
}

fn one(section: &Section<'_>, dir: &Path, taken: &mut Vec<(Pattern, Span)>) -> Option<Rule> {
    for (key, hint) in [
        ("domains", "say for whom it holds: domains = [\"example.net\"], or \"*\" for all"),
        ("mode", "say what is asked of them: mode = \"verify\""),
    ] {
        if section.get(key).is_none() {
            section.missing(key, hint);
        }
    }
    let domains = section.one_or_more("domains", pattern);
    for (pattern, span) in domains.iter().flatten() {
        if let Some((earlier, place)) = taken.iter().find(|(earlier, _)| earlier.covers(pattern)) {
            let message =
                format!("the policy for `{pattern}` never holds: one for `{earlier}` comes before it");
            let problem = Problem::new((*span).into(), message).other((*place).into(), "taken here");
            let hint = "the first policy that takes a domain holds: put this one before that, or remove it";
            section.findings.add(problem.hint(hint));
        }
        taken.push((pattern.clone(), *span));
    }
    let mode = section.choice("mode", &MODES);
    let names = listed(section, "names", mode, Mode::Verify, name);
    let fingerprints = listed(section, "fingerprints", mode, Mode::Fingerprint, fingerprint);
    let ca_file = file(section, "ca_file", dir);
    if let (Some(value), Some(mode)) = (section.get("ca_file"), mode.filter(|mode| *mode != Mode::Verify)) {
        section.wrong(value.span, useless("ca_file", mode, Mode::Verify));
    }
    let is_empty = |value: &toml_span::Value<'_>| value.as_array().is_some_and(Vec::is_empty);
    if mode == Some(Mode::Fingerprint) && section.get("fingerprints").is_none_or(is_empty) {
        let hint =
            "openssl x509 -noout -fingerprint -sha256 -in FILE prints one: fingerprints = [\"sha256:…\"]";
        section.missing("fingerprints", hint);
    }
    let domains = domains?.into_iter().map(|(pattern, _)| pattern).collect();
    let policy = match mode? {
        Mode::None => TlsPolicy::None,
        Mode::Opportunistic => TlsPolicy::Opportunistic,
        Mode::Must => TlsPolicy::Must,
        Mode::Verify => TlsPolicy::Verify(Verify { names: names.into(), roots: None }),
        Mode::Fingerprint => TlsPolicy::Fingerprint(fingerprints.into()),
    };
    Some(Rule { rule: TlsRule { domains, policy }, ca_file })
}

/// A list that one mode alone has a use for.
fn listed<T>(
    section: &Section<'_>,
    key: &'static str,
    mode: Option<Mode>,
    wanted: Mode,
    parse: impl Fn(&str) -> Result<T, Wrong>,
) -> Vec<T> {
    let list = section.one_or_more(key, parse);
    if let (Some(value), Some(mode)) = (section.get(key), mode.filter(|mode| *mode != wanted)) {
        section.wrong(value.span, useless(key, mode, wanted));
    }
    list.into_iter().flatten().map(|(item, _)| item).collect()
}

fn useless(key: &str, mode: Mode, wanted: Mode) -> Wrong {
    let (mode, wanted) = (mode.word(), wanted.word());
    Wrong::new(format!("`{key}` is of no use with mode = \"{mode}\""))
        .hint(format!("remove it, or write mode = \"{wanted}\""))
}

fn name(text: &str) -> Result<Box<str>, Wrong> {
    match text.strip_prefix('.') {
        Some(parent) => host_name(parent).map(|parent| format!(".{parent}").into()),
        None if text.starts_with('*') => Err(Wrong::new(format!("`{text}` is not a host"))
            .hint("for all names below a domain write a dot before it: \".example.net\"")),
        None => host_name(text),
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, Wrong> {
    Fingerprint::parse(text).ok_or_else(|| {
        Wrong::new(format!("`{text}` is not a fingerprint")).hint(
            "write \"sha256:\" for a certificate or \"spki-sha256:\" for a public key, and 64 hexadecimal digits",
        )
    })
}

impl Mode {
    fn word(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| word)
    }

    fn of(policy: &TlsPolicy) -> Self {
        match policy {
            TlsPolicy::None => Self::None,
            TlsPolicy::Opportunistic => Self::Opportunistic,
            TlsPolicy::Must => Self::Must,
            TlsPolicy::Verify(_) => Self::Verify,
            TlsPolicy::Fingerprint(_) => Self::Fingerprint,
        }
    }
}

impl Rule {
    fn needs_roots(&self) -> bool {
        self.ca_file.is_none() && matches!(self.rule.policy, TlsPolicy::Verify(_))
    }
}

impl TlsPolicies {
    /// The files that are read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.rules.iter().filter_map(|rule| rule.ca_file.as_ref()).chain(&self.ca_file);
        files.map(|(file, _)| file.as_path())
    }

    /// What delivery holds to, without what is in files.
    pub(super) fn rules(&self) -> Vec<TlsRule> {
        self.rules.iter().map(|rule| rule.rule.clone()).collect()
    }

    /// Reads the files and gives delivery what is in them.
    pub(super) fn open(&self, deliver: &mut deliver::Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        deliver.roots = match &self.ca_file {
            Some(file) => roots(file, &mut problems),
            None => match (Anchors::System.roots(), &self.needs_roots) {
                (Ok(roots), _) => Some(roots),
                (Err(error), Some(place)) => {
                    let problem = Problem::new(place.clone(), format!("nobody can be verified: {error}"));
                    let hint = "install the package ca-certificates, or name whom to believe: tls_ca_file in [deliver]";
                    problems.push(problem.hint(hint));
                    None
                }
                (Err(_), None) => None,
            },
        };
        deliver.tls_rules = self.rules();
        for (rule, read) in deliver.tls_rules.iter_mut().zip(&self.rules) {
            if let (TlsPolicy::Verify(verify), Some(file)) = (&mut rule.policy, &read.ca_file) {
                verify.roots = roots(file, &mut problems);
            }
        }
        problems
    }
}

fn roots((file, span): &File, problems: &mut Vec<Problem>) -> Option<Roots> {
    let read = anchors(file).and_then(|anchors| {
        anchors.roots().map_err(|error| Wrong::new(format!("{}: {error}", file.display())))
    });
    match read {
        Ok(roots) => Some(roots),
        Err(wrong) => {
            problems.push(Problem { hint: wrong.hint, ..Problem::new(span.clone(), wrong.message) });
            None
        }
    }
}

/// The word for what holds where no rule tells.
pub(super) fn word(policy: &TlsPolicy) -> &'static str {
    Mode::of(policy).word()
}

/// `deliver.tls_ca_file` in effect.
pub(super) fn show_ca_file(policies: &TlsPolicies) -> Option<(&'static str, Value)> {
    policies.ca_file.as_ref().map(|(file, _)| ("tls_ca_file", json!(file.display().to_string())))
}

/// All of `[[tls.policy]]` in effect.
pub(super) fn show(policies: &TlsPolicies) -> impl Iterator<Item = Vec<(&'static str, Value)>> {
    policies.rules.iter().map(|Rule { rule, ca_file }| {
        let domains: Vec<String> = rule.domains.iter().map(ToString::to_string).collect();
        let mut values = vec![("domains", json!(domains)), ("mode", json!(word(&rule.policy)))];
        match &rule.policy {
            TlsPolicy::Verify(verify) if !verify.names.is_empty() => {
                values.push(("names", json!(verify.names.to_vec())));
            }
            TlsPolicy::Fingerprint(known) => {
                let known: Vec<String> = Arc::as_ref(known).iter().map(ToString::to_string).collect();
                values.push(("fingerprints", json!(known)));
            }
            _ => {}
        }
        values.extend(ca_file.as_ref().map(|(file, _)| ("ca_file", json!(file.display().to_string()))));
        values
    })
}
