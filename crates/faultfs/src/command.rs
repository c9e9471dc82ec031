//! What can be said to the program, a line each.

use std::str::{FromStr, SplitWhitespace};

use faultfs::{Errno, Fault, Operation, Power};

pub(crate) const HELP: &str = "\
cut                           the power goes
cut-at N                      the power goes at the Nth operation from now that changes or syncs something
restore lost                  the power is back; what was not synced is lost
restore torn SEED             the power is back; of what was not synced some is there, by chance
fail OPERATION ERROR [WHERE]  open, read, write, sync, sync-directory, allocate, create, rename, remove or change
                              fails with EIO, ENOSPC, EDQUOT, EROFS or EOPNOTSUPP
short OCTETS [WHERE]          a write takes no more octets
lie [WHERE]                   syncs of files do nothing
                              WHERE: [at PATTERN] [after N] [times N], such as: at spool/*.seg after 3 times 1
heal                          nothing fails any more
capacity OCTETS               how much room there is in all
read-only on|off              nothing can be written, or all again
survey                        where the disk stands
";

#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Survey,
    Cut,
    CutAt(u64),
    Restore(Power),
    Fail(Fault),
    Heal,
    Capacity(u64),
    ReadOnly(bool),
}

const OPERATIONS: [(&str, Operation); 11] = [
    ("open", Operation::Open),
    ("open-direct", Operation::OpenDirect),
    ("read", Operation::Read),
    ("write", Operation::Write),
    ("sync", Operation::Sync),
    ("sync-directory", Operation::SyncDirectory),
    ("allocate", Operation::Allocate),
    ("create", Operation::Create),
    ("rename", Operation::Rename),
    ("remove", Operation::Remove),
    ("change", Operation::Change),
];

const ERRORS: [(&str, Errno); 5] = [
    ("EIO", Errno::EIO),
    ("ENOSPC", Errno::ENOSPC),
    ("EDQUOT", Errno::EDQUOT),
    ("EROFS", Errno::EROFS),
    ("EOPNOTSUPP", Errno::EOPNOTSUPP),
];

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let command = match words.next().unwrap_or_default() {
            "help" => Self::Help,
            "survey" => Self::Survey,
            "cut" => Self::Cut,
            "cut-at" => Self::CutAt(number(words.next())?),
            "restore" => Self::Restore(match words.next() {
                Some("lost") => Power::Lost,
                Some("torn") => Power::Torn { seed: number(words.next())? },
                _ => return Err("restore `lost` or `torn SEED`".to_owned()),
            }),
            "fail" => {
                let operation = one_of(&OPERATIONS, words.next())?;
                Self::Fail(wherever(Fault::fails(operation, one_of(&ERRORS, words.next())?), &mut words)?)
            }
            "short" => {
                let octets = usize::try_from(number(words.next())?).unwrap_or(usize::MAX);
                Self::Fail(wherever(Fault::short_writes(octets), &mut words)?)
            }
            "lie" => Self::Fail(wherever(Fault::lying_syncs(), &mut words)?),
            "heal" => Self::Heal,
            "capacity" => Self::Capacity(number(words.next())?),
            "read-only" => Self::ReadOnly(one_of(&[("on", true), ("off", false)], words.next())?),
            other => return Err(format!("no command `{other}`: try `help`")),
        };
        words.next().map_or(Ok(command), |word| Err(format!("what is `{word}`?")))
    }
}

fn wherever(mut fault: Fault, words: &mut SplitWhitespace<'_>) -> Result<Fault, String> {
    while let Some(word) = words.next() {
        fault = match word {
            "at" => fault.at(words.next().ok_or("a pattern is missing")?),
            "after" => fault.after(number(words.next())?),
            "times" => fault.times(number(words.next())?),
            other => return Err(format!("what is `{other}`?")),
        };
    }
    Ok(fault)
}

fn number(word: Option<&str>) -> Result<u64, String> {
    let word = word.ok_or("a number is missing")?;
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

fn one_of<T: Copy>(choices: &[(&str, T)], word: Option<&str>) -> Result<T, String> {
    let word = word.unwrap_or_default();
    let chosen = choices.iter().find(|(name, _)| *name == word);
    chosen.map(|(_, chosen)| *chosen).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!("`{word}` is none of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood_or_refused_with_a_reason() {
        for line in [
            "cut",
            "cut-at 20",
            "restore torn 7",
            "fail sync EIO at spool/*.seg after 3 times 1",
            "short 100",
            "lie at spool/*",
            "read-only off",
        ] {
            assert!(line.parse::<Command>().is_ok(), "{line}");
        }
        for (line, reason) in [
            ("", "help"),
            ("cut now", "`now`"),
            ("cut-at soon", "no number"),
            ("fail sync EBAD", "EIO, ENOSPC"),
            ("lie at", "pattern is missing"),
            ("restore", "`lost`"),
        ] {
            let wrong = line.parse::<Command>().unwrap_err();
            assert!(wrong.contains(reason), "{line}: {wrong}");
        }
    }
}
