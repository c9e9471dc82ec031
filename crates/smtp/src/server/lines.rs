//! Command lines out of octets: only CR LF ends one, and none can fill the memory.

use crate::input::Input;

/// What is wrong with a line as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    /// Longer than allowed. The rest of it is discarded.
    TooLong,
    /// An LF without CR. It ends no line (RFC 5321 §2.3.8), so the rest up to CR LF is discarded; the client is told
    /// at once because one that only knows LF would wait for ever.
    BareLf,
    /// Nothing but such a rest for too long.
    Endless,
}

/// How much of the rest of a line is read before we give up on the client.
const REST_OCTETS_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy)]
struct Rest {
    fault_due: Option<LineFault>,
    octets: usize,
}

/// The lines received so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) input: Input,
    rest: Option<Rest>,
}

impl Lines {
    /// The first octet of the next line.
    pub(super) fn first_octet(&self) -> Option<u8> {
        if self.rest.is_some() { None } else { self.input.pending().first().copied() }
    }

    /// Takes the next line, if it is complete, and what `parse` makes of it, its CRLF removed.
    pub(super) fn next<T>(
        &mut self,
        octets_max: usize,
        parse: impl FnOnce(&[u8]) -> T,
    ) -> Option<Result<T, LineFault>> {
        loop {
            if let Some(rest) = self.rest.take() {
                match self.skip(rest)? {
                    Ok(()) => continue,
                    Err(fault) => return Some(Err(fault)),
                }
            }
            let line = self.input.line();
            if line.unwrap_or_else(|| self.input.len()) > octets_max {
                self.rest = Some(Rest { fault_due: Some(LineFault::TooLong), octets: 0 });
                continue;
            }
            let line = line?;
            let Some(text) = self.input.pending().get(..line).and_then(|line| line.strip_suffix(b"\r\n"))
            else {
                self.input.consume(line);
                self.rest = Some(Rest { fault_due: None, octets: 0 });
                return Some(Err(LineFault::BareLf));
            };
            let parsed = parse(text);
            self.input.consume(line);
            return Some(Ok(parsed));
        }
    }

    /// Discards up to CR LF. None: it is not there yet.
    fn skip(&mut self, mut rest: Rest) -> Option<Result<(), LineFault>> {
        while let Some(line) = self.input.line() {
            let ended = self.input.pending().get(..line).is_some_and(|line| line.ends_with(b"\r\n"));
            self.input.consume(line);
            rest.octets += line;
            if ended {
                return Some(rest.fault_due.map_or(Ok(()), Err));
            }
        }
        // A CR at the end may be half of the CR LF.
        let kept = usize::from(self.input.pending().last() == Some(&b'\r'));
        let discarded = self.input.len() - kept;
        self.input.consume(discarded);
        rest.octets += discarded;
        if rest.octets > REST_OCTETS_MAX {
            return Some(Err(LineFault::Endless));
        }
        self.rest = Some(rest);
        None
    }
}
