//! What aliases stand for, worked out once: which mailboxes, and who elsewhere, without loops, without end.

use std::collections::HashSet;

use mail::Address;

use crate::{
    ALIAS_DEPTH_MAX, ALIAS_ELSEWHERE_MAX, ALIAS_MAILBOXES_MAX, DirectoryError, Entry, Problem,
    index::{Found, Index, Place},
};

/// An alias whose texts have been parsed.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// Where its targets are declared.
    pub(crate) targets: (Entry, &'static str),
    pub(crate) address: Address,
    pub(crate) to: Vec<Address>,
}

/// What an alias stands for in the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Targets {
    pub(crate) mailboxes: Vec<Address>,
    /// Addresses at domains that are not ours, to which its mail is sent on.
    pub(crate) elsewhere: Vec<Address>,
}

impl Targets {
    /// The one mailbox that it stands for alone.
    pub(crate) fn sole(&self) -> Option<&Address> {
        match (self.mailboxes.as_slice(), self.elsewhere.is_empty()) {
            ([sole], true) => Some(sole),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
enum State {
    New,
    /// On the way that led here.
    Open,
    /// Worked out: how long the longest chain below is, and where it ends.
    Done(usize, Targets),
    /// Wrong, and reported.
    Failed,
}

/// Works out all aliases. An alias with a mistake, or that leads to one, stands for nobody.
pub(crate) fn expand(
    aliases: &[Option<Alias>],
    index: &Index,
    catch_everything: bool,
    errors: &mut Vec<DirectoryError>,
) -> Vec<Targets> {
    let states = vec![State::New; aliases.len()];
    let mut expansion = Expansion { aliases, index, catch_everything, errors, states, way: Vec::new() };
    for place in 0..aliases.len() {
        expansion.visit(place);
    }
    let targets = |state| if let State::Done(_, targets) = state { targets } else { Targets::default() };
    expansion.states.into_iter().map(targets).collect()
}

struct Expansion<'a> {
    aliases: &'a [Option<Alias>],
    index: &'a Index,
    catch_everything: bool,
    errors: &'a mut Vec<DirectoryError>,
    states: Vec<State>,
    way: Vec<usize>,
}

impl Expansion<'_> {
    fn visit(&mut self, place: usize) {
        if !matches!(self.states.get(place), Some(State::New)) {
            return;
        }
        self.set(place, State::Open);
        self.way.push(place);
        let state = self.work_out(place).unwrap_or_else(|problem| {
            let targets = self.aliases.get(place).and_then(Option::as_ref).map(|alias| alias.targets);
            self.errors.extend(problem.zip(targets).map(|(problem, (entry, key))| DirectoryError {
                entry,
                key,
                problem,
            }));
            State::Failed
        });
        self.way.pop();
        self.set(place, state);
    }

    fn set(&mut self, place: usize, state: State) {
        if let Some(at) = self.states.get_mut(place) {
            *at = state;
        }
    }

    /// `Err(None)`: wrong because of something already reported.
    fn work_out(&mut self, place: usize) -> Result<State, Option<Problem>> {
        if self.way.len() > ALIAS_DEPTH_MAX {
            return Err(Some(Problem::TooDeep));
        }
        let aliases = self.aliases;
        let alias = aliases.get(place).and_then(Option::as_ref).ok_or(None)?;
        let mut gathered = Gathered::default();
        let mut deepest = 0;
        // Who looks after a list is one of ours, or behind an alias of ours.
        let may_leave = matches!(alias.targets.0, Entry::Alias(_));
        for target in &alias.to {
            deepest = deepest.max(self.gather(target, may_leave, &mut gathered)?);
        }
        if gathered.targets.mailboxes.is_empty() && gathered.targets.elsewhere.is_empty() {
            return Err(Some(Problem::NoTargets));
        }
        if deepest >= ALIAS_DEPTH_MAX {
            return Err(Some(Problem::TooDeep));
        }
        Ok(State::Done(deepest + 1, gathered.targets))
    }

    /// Adds what a target stands for; returns how long its longest chain of aliases is.
    fn gather(
        &mut self,
        target: &Address,
        may_leave: bool,
        gathered: &mut Gathered,
    ) -> Result<usize, Option<Problem>> {
        let Some(Found { place, detail }) = self.index.find(target) else {
            if self.catch_everything {
                return gathered.add_caught(target.clone()).map(|()| 0);
            }
            // Who is there changes without us.
            if self.index.is_external(target.domain()) {
                return gathered.add_caught(target.clone()).map(|()| 0);
            }
            let local = self.index.rules(target.domain()).is_some();
            if !local && may_leave {
                return gathered.add_elsewhere(target, self.index).map(|()| 0);
            }
            let problem = if local { Problem::UnknownTarget } else { Problem::Elsewhere };
            return Err(Some(problem(target.to_string())));
        };
        match place {
            Place::Account(account) => gathered.add(target.clone(), account, detail).map(|()| 0),
            Place::List(_) => Err(Some(Problem::LeadsToList(target.to_string()))),
            Place::Alias(next) => {
                self.visit(next);
                match self.states.get(next) {
                    Some(State::Done(depth, targets)) => {
                        for mailbox in &targets.mailboxes {
                            gathered.add_found(mailbox.clone(), self.index)?;
                        }
                        for target in &targets.elsewhere {
                            gathered.add_elsewhere(target, self.index)?;
                        }
                        Ok(*depth)
                    }
                    Some(State::Open) => Err(Some(Problem::Loop(self.way_back_to(next)))),
                    _ => Err(None),
                }
            }
        }
    }

    fn way_back_to(&self, place: usize) -> String {
        let names = self.way.iter().skip_while(|on_way| **on_way != place).chain([&place]);
        let name = |place: &usize| self.aliases.get(*place)?.as_ref().map(|alias| alias.address.to_string());
        names.filter_map(name).collect::<Vec<_>>().join(" -> ")
    }
}

/// Mailboxes, each once: the same account with the same detail is the same mailbox, whatever it is called.
#[derive(Default)]
struct Gathered {
    targets: Targets,
    seen: HashSet<(usize, Option<String>)>,
}

impl Gathered {
    fn add(&mut self, mailbox: Address, account: usize, detail: Option<&str>) -> Result<(), Option<Problem>> {
        if self.seen.insert((account, detail.map(str::to_owned))) {
            self.targets.mailboxes.push(mailbox);
        }
        if self.targets.mailboxes.len() > ALIAS_MAILBOXES_MAX {
            return Err(Some(Problem::TooManyMailboxes));
        }
        Ok(())
    }

    /// Whether case matters in a local part there is not ours to know: each spelling once is enough.
    fn add_elsewhere(&mut self, target: &Address, index: &Index) -> Result<(), Option<Problem>> {
        if !self.targets.elsewhere.iter().any(|known| index.is_same(known, target)) {
            self.targets.elsewhere.push(target.clone());
        }
        if self.targets.elsewhere.len() > ALIAS_ELSEWHERE_MAX {
            return Err(Some(Problem::TooManyElsewhere));
        }
        Ok(())
    }

    /// An address that only the account for everything has: by its text.
    fn add_caught(&mut self, mailbox: Address) -> Result<(), Option<Problem>> {
        let text = mailbox.to_string();
        self.add(mailbox, usize::MAX, Some(&text))
    }

    fn add_found(&mut self, mailbox: Address, index: &Index) -> Result<(), Option<Problem>> {
        let found = index.find(&mailbox).map(|found| (found.place, found.detail.map(str::to_owned)));
        if let Some((Place::Account(account), detail)) = found {
            return self.add(mailbox, account, detail.as_deref());
        }
        self.add_caught(mailbox)
    }
}
