//! Command lines out of octets: only CR LF ends one, and none can fill the memory.

use wire::Input;

use crate::command;

/// What is wrong with a line as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineFault {
    /// Longer than allowed. The rest of it is discarded.
    TooLong,
    /// An LF without CR. It ends no line (RFC 5321 §2.3.8), so the rest up to CR LF is discarded; the client is told
    /// at once because one that only knows LF would wait for ever.
    BareLf,
    /// As one of these, but it looks like BDAT, so that content may follow it.
    Chunk,
    /// Nothing but such a rest for too long.
    Endless,
}

/// How much of the rest of a line is read before we give up on the client.
const REST_OCTETS_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy)]
struct Rest {
    fault_due: Option<LineFault>,
    octets: usize,
    /// The next octet is not the first behind an LF.
    inside: bool,
}

/// The lines received so far.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) input: Input,
    rest: Option<Rest>,
}

impl Lines {
    /// Discards the rest of a faulty line, if there is one. None: its end is not there yet.
    pub(super) fn skip_rest(&mut self) -> Option<Result<(), LineFault>> {
        self.rest.take().map_or(Some(Ok(())), |rest| self.skip(rest))
    }

    /// The first octet of the next line, once the rest of the one before is [skipped](Self::skip_rest).
    pub(super) fn first_octet(&self) -> Option<u8> {
        self.input.pending().first().copied()
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
            let looks_like_bdat = command::looks_like_bdat(self.input.pending());
            if line.unwrap_or_else(|| self.input.len()) > octets_max {
                if looks_like_bdat {
                    return Some(Err(LineFault::Chunk));
                }
                self.rest = Some(Rest { fault_due: Some(LineFault::TooLong), octets: 0, inside: true });
                continue;
            }
            let line = line?;
            let Some(text) = self.input.pending().get(..line).and_then(|line| line.strip_suffix(b"\r\n"))
            else {
                self.input.consume(line);
                self.rest = Some(Rest { fault_due: None, octets: 0, inside: false });
                return Some(Err(if looks_like_bdat { LineFault::Chunk } else { LineFault::BareLf }));
            };
            let parsed = parse(text);
            self.input.consume(line);
            return Some(Ok(parsed));
        }
    }

    /// Discards up to CR LF. None: it is not there yet.
    ///
    /// But for a BDAT behind an LF: a client for which an LF ends a line would send its chunk next.
    fn skip(&mut self, mut rest: Rest) -> Option<Result<(), LineFault>> {
        loop {
            let pending = self.input.pending();
            if !rest.inside && pending.get(..4).is_some_and(command::looks_like_bdat) {
                return Some(Err(LineFault::Chunk));
            }
            let Some(line) = self.input.line() else { break };
            let ended = self.input.pending().get(..line).is_some_and(|line| line.ends_with(b"\r\n"));
            self.input.consume(line);
            rest.octets += line;
            rest.inside = false;
            if ended {
                return Some(rest.fault_due.map_or(Ok(()), Err));
            }
        }
        self.discard_part(&mut rest);
        if rest.octets > REST_OCTETS_MAX {
            return Some(Err(LineFault::Endless));
        }
        self.rest = Some(rest);
        None
    }

    /// Discards a line without an end as far as it can mean nothing.
    fn discard_part(&mut self, rest: &mut Rest) {
        let pending = self.input.pending();
        let may_be_bdat =
            !rest.inside && pending.len() < 4 && b"BDAT".starts_with(&pending.to_ascii_uppercase());
        if may_be_bdat {
            return;
        }
        // A CR at the end may be half of the CR LF.
        let kept = usize::from(pending.last() == Some(&b'\r'));
        let discarded = pending.len() - kept;
        self.input.consume(discarded);
        rest.octets += discarded;
        rest.inside |= discarded > 0;
    }
}
