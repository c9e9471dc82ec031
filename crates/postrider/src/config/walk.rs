//! Walks the tree of a TOML file: every value that is asked for is checked, every key that nobody asked for is an error.

use std::{
    cell::RefCell, collections::BTreeSet, fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration,
};

use toml_span::{
    Span, Value,
    value::{Table, ValueInner},
};

use super::{
    problem::Problem,
    value::{self, Wrong},
};

/// What has been found so far; shared by all sections of a file.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// All users of this machine can read the file.
    pub(super) public: bool,
    problems: RefCell<Vec<Problem>>,
    /// Full names of all keys that were asked for, such as `receive.recipients_max`.
    asked: RefCell<BTreeSet<String>>,
    unknown: RefCell<Vec<Unknown>>,
    /// Files that secrets were read from.
    secret_files: RefCell<Vec<PathBuf>>,
}

#[derive(Debug)]
struct Unknown {
    section: String,
    key: String,
    span: Span,
    /// Whether it heads a section.
    heading: bool,
}

impl Findings {
    /// Nothing yet; `public`: all users of this machine can read the file.
    pub(crate) fn of(public: bool) -> Self {
        Self { public, ..Self::default() }
    }

    pub(crate) fn add(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    /// A secret was read there.
    pub(crate) fn add_secret_file(&self, path: PathBuf) {
        self.secret_files.borrow_mut().push(path);
    }

    /// Where secrets were read.
    pub(crate) fn secret_files(&self) -> Vec<PathBuf> {
        self.secret_files.borrow().clone()
    }

    /// All problems in the order of the file, and the names of all keys there are.
    pub(crate) fn finish(self) -> (Vec<Problem>, BTreeSet<String>) {
        let asked = self.asked.into_inner();
        let mut problems = self.problems.into_inner();
        problems.extend(self.unknown.into_inner().iter().map(|unknown| unknown.problem(&asked)));
        problems.sort_by_key(|problem| problem.span.start);
        (problems, asked)
    }
}

impl Unknown {
    fn problem(&self, asked: &BTreeSet<String>) -> Problem {
        let place = if self.section.is_empty() { String::new() } else { format!(" in [{}]", self.section) };
        let what =
            if self.heading { format!("section [{}]", self.key) } else { format!("key `{}`", self.key) };
        let problem = Problem::new(self.span.into(), format!("unknown {what}{place}"));
        match self.hint(asked) {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// The nearest key of this section, or the section that the key belongs to, or what there is.
    fn hint(&self, asked: &BTreeSet<String>) -> Option<String> {
        let split = |name: &'_ str| -> (String, String) {
            let (section, key) = name.rsplit_once('.').unwrap_or(("", name));
            (section.to_owned(), key.to_owned())
        };
        let keys: Vec<(String, String)> = asked.iter().map(|name| split(name)).collect();
        let here =
            || keys.iter().filter(|(section, _)| *section == self.section).map(|(_, key)| key.as_str());
        if let Some(near) = nearest(&self.key, here()) {
            return Some(format!("did you mean `{near}`?"));
        }
        let elsewhere = keys.iter().find(|(section, key)| *key == self.key && *section != self.section);
        if let Some((section, key)) = elsewhere {
            let place = if section.is_empty() {
                "the top of the file, above the first [section]".to_owned()
            } else {
                format!("[{section}]")
            };
            return Some(format!("`{key}` belongs to {place}"));
        }
        let all: Vec<String> = here().map(|key| format!("`{key}`")).collect();
        (!all.is_empty()).then(|| format!("there is {}", all.join(", ")))
    }
}

/// The candidate that a misspelt word was meant to be, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.84)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// One table of the file, or one that is absent and has only defaults.
pub(crate) struct Section<'a> {
    name: String,
    table: Option<&'a Table<'a>>,
    span: Span,
    asked: RefCell<BTreeSet<&'static str>>,
    pub findings: &'a Findings,
}

impl<'a> Section<'a> {
    pub(crate) fn root(value: &'a Value<'a>, findings: &'a Findings) -> Self {
        Self::new(String::new(), value.as_table(), value.span, findings)
    }

    fn new(name: String, table: Option<&'a Table<'a>>, span: Span, findings: &'a Findings) -> Self {
        Self { name, table, span, asked: RefCell::default(), findings }
    }

    /// The value of a key, if it is there. From now on the key is known.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'a Value<'a>> {
        self.asked.borrow_mut().insert(key);
        self.findings.asked.borrow_mut().insert(self.full_name(key));
        self.table.and_then(|table| table.get(key))
    }

    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Reports a problem with a value.
    pub(crate) fn wrong(&self, span: Span, wrong: Wrong) {
        let problem = Problem::new(span.into(), wrong.message);
        self.findings.add(Problem { hint: wrong.hint, ..problem });
    }

    fn wrong_type(&self, key: &str, value: &Value<'_>, wanted: &str) {
        let message = format!("`{key}` wants {wanted}, not {}", type_name(value.as_ref()));
        self.findings.add(Problem::new(value.span.into(), message));
    }

    /// The key is needed and not there.
    pub(crate) fn missing(&self, key: &str, hint: &str) {
        let place = if self.name.is_empty() { "this file".to_owned() } else { format!("[{}]", self.name) };
        self.findings.add(Problem::new(self.span.into(), format!("{place} needs `{key}`")).hint(hint));
    }

    /// A string and where it stands.
    pub(crate) fn string(&self, key: &'static str) -> Option<(&'a str, Span)> {
        let value = self.get(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong_type(key, value, "a string");
        }
        text.map(|text| (text, value.span))
    }

    /// A string that means something.
    pub(crate) fn parsed<T>(&self, key: &'static str, parse: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
        let (text, span) = self.string(key)?;
        self.report(span, parse(text))
    }

    /// The value, or a problem reported.
    pub(crate) fn report<T>(&self, span: Span, result: Result<T, Wrong>) -> Option<T> {
        result.map_err(|wrong| self.wrong(span, wrong)).ok()
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            let found = choices.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let words = || choices.iter().map(|(word, _)| *word);
                let all: Vec<String> = words().map(|word| format!("\"{word}\"")).collect();
                let near = nearest(text, words()).map(|near| format!("did you mean \"{near}\"? "));
                Wrong::new(format!("`{text}` is not a value of `{key}`")).hint(format!(
                    "{}there is {}",
                    near.unwrap_or_default(),
                    all.join(", ")
                ))
            })
        })
    }

    /// A whole number within a range.
    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<u32>) -> Option<u32> {
        let value = self.get(key)?;
        let Some(number) = value.as_integer() else {
            self.wrong_type(key, value, "a whole number");
            return None;
        };
        let within = u32::try_from(number).ok().filter(|number| range.contains(number));
        if within.is_none() {
            self.out_of_range(key, value, number, range.start(), range.end());
        }
        within
    }

    /// A duration within a range.
    pub(crate) fn duration(&self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        let value = self.get(key)?;
        self.duration_of(key, value, &range)
    }

    fn duration_of(
        &self,
        key: &str,
        value: &Value<'_>,
        range: &RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Some(text) = value.as_str() else {
            self.wrong_type(key, value, "a duration such as \"5m\"");
            return None;
        };
        let read = self.report(value.span, value::duration(text))?;
        if !range.contains(&read) {
            let show = value::show_duration;
            self.out_of_range(key, value, show(read), &show(*range.start()), &show(*range.end()));
            return None;
        }
        Some(read)
    }

    /// A list of durations, each within a range.
    pub(crate) fn durations(
        &self,
        key: &'static str,
        range: &RangeInclusive<Duration>,
    ) -> Option<Vec<Duration>> {
        let items = self.list(key, "a list of durations such as [\"5m\", \"1h\"]")?;
        Some(items.iter().filter_map(|item| self.duration_of(key, item, range)).collect())
    }

    /// A size in octets within a range.
    pub(crate) fn size(&self, key: &'static str, range: &RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let Some(text) = value.as_str() else {
            self.wrong_type(key, value, "a size such as \"50MiB\"");
            return None;
        };
        let read = self.report(value.span, value::size(text))?;
        if !range.contains(&read) {
            let show = value::show_size;
            self.out_of_range(key, value, show(read), &show(*range.start()), &show(*range.end()));
            return None;
        }
        Some(read)
    }

    fn out_of_range(
        &self,
        key: &str,
        value: &Value<'_>,
        is: impl Display,
        low: &impl Display,
        high: &impl Display,
    ) {
        let message = format!("`{key}` is out of range: {is}");
        let problem =
            Problem::new(value.span.into(), message).hint(format!("it may be from {low} to {high}"));
        self.findings.add(problem);
    }

    fn list(&self, key: &'static str, wanted: &str) -> Option<&'a [Value<'a>]> {
        let value = self.get(key)?;
        let items = value.as_array();
        if items.is_none() {
            self.wrong_type(key, value, wanted);
        }
        items.map(Vec::as_slice)
    }

    /// A list of strings that mean something, with their places.
    pub(crate) fn parsed_list<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<(T, Span)>> {
        let items = self.list(key, "a list of strings, in brackets")?;
        Some(self.parsed_items(key, items, parse))
    }

    /// A list of strings that mean something, with their places; a single string is a list of one.
    pub(crate) fn one_or_more<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Option<Vec<(T, Span)>> {
        let value = self.get(key)?;
        let items = match value.as_str() {
            Some(_) => std::slice::from_ref(value),
            None => self.list(key, "a string, or a list of strings in brackets")?,
        };
        Some(self.parsed_items(key, items, parse))
    }

    fn parsed_items<T>(
        &self,
        key: &'static str,
        items: &[Value<'_>],
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<(T, Span)> {
        let one = |item: &Value<'_>| {
            let Some(text) = item.as_str() else {
                self.wrong_type(key, item, "strings only");
                return None;
            };
            self.report(item.span, parse(text)).map(|value| (value, item.span))
        };
        items.iter().filter_map(one).collect()
    }

    /// A `[section]`; one with nothing in it if it is absent.
    pub(crate) fn section(&self, key: &'static str) -> Section<'a> {
        let value = self.get(key);
        if let Some(value) = value
            && value.as_table().is_none()
        {
            self.wrong_type(key, value, &format!("a section [{key}]"));
        }
        let span = value.map_or(self.span, |value| value.span);
        Section::new(self.full_name(key), value.and_then(Value::as_table), span, self.findings)
    }

    /// All of `[[key]]`.
    pub(crate) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(items) = value.as_array().filter(|items| items.iter().all(|item| item.as_table().is_some()))
        else {
            let double = format!("sections headed [[{}]], in double brackets", self.full_name(key));
            self.wrong_type(key, value, &double);
            return Vec::new();
        };
        let one = |item: &'a Value<'a>| {
            Section::new(self.full_name(key), item.as_table(), item.span, self.findings)
        };
        items.iter().map(one).collect()
    }

    /// Whether somebody has asked for every key that is there.
    pub(crate) fn knows_all(&self) -> bool {
        let asked = self.asked.borrow();
        self.table.into_iter().flatten().all(|(key, _)| asked.contains(key.name.as_ref()))
    }

    /// Whether the file has it.
    pub(crate) fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// Where the section stands.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn finish(self) {
        let asked = self.asked.into_inner();
        for (key, value) in self.table.into_iter().flatten() {
            if !asked.contains(key.name.as_ref()) {
                let in_list = |list: &Vec<Value<'_>>| list.iter().any(|item| item.as_table().is_some());
                self.findings.unknown.borrow_mut().push(Unknown {
                    section: self.name.clone(),
                    key: key.name.to_string(),
                    span: key.span,
                    heading: value.as_table().is_some() || value.as_array().is_some_and(in_list),
                });
            }
        }
    }
}

fn type_name(value: &ValueInner<'_>) -> &'static str {
    match value {
        ValueInner::String(_) => "a string",
        ValueInner::Integer(_) => "a number",
        ValueInner::Float(_) => "a fraction",
        ValueInner::Boolean(_) => "true or false",
        ValueInner::Array(_) => "a list",
        ValueInner::Table(_) => "a table",
    }
}
