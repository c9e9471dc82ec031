//! From the octets behind DATA to content: where it ends, and without the dots (RFC 5321 §4.1.1.4, §4.5.2). And what the
//! chunks of BDAT may hold, whose end is counted (RFC 3030 §2).
//!
//! One sequence ends content: CR LF `.` CR LF, the first CR LF being that of the DATA line if there is no content.
//! Anything that another implementation might take for the end (LF `.` LF, CR LF `.` LF, CR CR LF `.` CR LF …) holds
//! a bare CR or LF, and a message with one of these is never accepted as it is: that is SMTP smuggling
//! (CVE-2023-51764, -51765, -51766), which needs a sender and a receiver who disagree.

use memchr::memchr3;

/// What to do about a bare CR or LF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BareLineEnds {
    /// A [`Fault`].
    Refuse,
    /// Make it a CRLF. It still takes no part in the end of data.
    Normalise,
}

/// Why content cannot be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A CR without LF or an LF without CR (RFC 5321 §2.3.8).
    BareLineEnd,
    /// A NUL (RFC 2045 §2.7 and §2.8: neither 7-bit nor 8-bit data may hold one).
    Nul,
}

/// Where the last octet left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind CRLF.
    LineStart,
    /// Behind a dot that began a line; not handed on, whatever follows.
    Dot,
    /// Behind such a dot and a CR, which is not handed on yet.
    DotCr,
    /// Behind a CR that is not handed on yet.
    Cr,
    /// Behind anything else.
    Inside,
}

/// Decodes the content of one message, in pieces of any size.
#[derive(Debug)]
pub struct Decoder {
    at: At,
    /// Whether dots mean something.
    dots: bool,
    bare: BareLineEnds,
    fault: Option<Fault>,
    repaired: bool,
    discard: bool,
}

impl Decoder {
    /// A decoder for what follows the DATA line.
    pub fn new(bare: BareLineEnds) -> Self {
        Self { at: At::LineStart, dots: true, bare, fault: None, repaired: false, discard: false }
    }

    /// A decoder for the chunks of BDAT: they come without dots of the protocol, and nothing in them ends the content
    /// (RFC 3030 §2). [`finish`](Self::finish) does.
    pub fn counted(bare: BareLineEnds) -> Self {
        Self { dots: false, ..Self::new(bare) }
    }

    /// The first fault so far. From there on nothing is handed on, but the end is still found.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Whether a bare CR or LF was made a CRLF.
    pub fn repaired(&self) -> bool {
        self.repaired
    }

    /// From here on, what to do about a bare CR or LF.
    pub fn set_bare(&mut self, bare: BareLineEnds) {
        self.bare = bare;
    }

    /// Counted content is over. A CR at its very end is a bare one; a last line without an end of line gets one, as every
    /// message that comes by DATA has it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self.at {
            At::Cr => self.bare_line_end(out),
            At::Inside => self.put(b"\r\n", out),
            At::LineStart | At::Dot | At::DotCr => {}
        }
    }

    /// Hands nothing on any more, only looks for the end.
    pub fn discard(&mut self) {
        self.discard = true;
    }

    /// Decodes from `input` to the end of `out`, until the end of data. Says how many octets it took, and whether
    /// they ended the data; if not, it took all.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            match (self.at, octet) {
                (At::LineStart, b'.') if self.dots => self.at = At::Dot,
                (At::LineStart | At::Inside, _) => {
                    at += self.run(input.get(at..).unwrap_or_default(), out);
                    continue;
                }
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => return (at + 1, true),
                // RFC 5321 §4.5.2: with other octets behind it on the line, the first dot is deleted. Look again at
                // this octet as one inside of the line.
                (At::Dot, _) => {
                    self.at = At::Inside;
                    continue;
                }
                (At::Cr, b'\n') => {
                    self.put(b"\r\n", out);
                    self.at = At::LineStart;
                }
                (At::Cr | At::DotCr, _) => {
                    self.bare_line_end(out);
                    continue;
                }
            }
            at += 1;
        }
        (at, false)
    }

    /// Takes lines and parts of lines up to a dot that begins a line, an end of line that is split or bare, or a NUL.
    /// Says how many octets it took, at least one. Whole lines are copied as one run.
    fn run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        loop {
            let rest = input.get(at..).unwrap_or_default();
            let Some(found) = memchr3(b'\r', b'\n', 0, rest) else {
                self.put(input, out);
                self.at = if rest.is_empty() { At::LineStart } else { At::Inside };
                return input.len();
            };
            let (octet, next) = (rest.get(found), rest.get(found + 1));
            if (octet, next) != (Some(&b'\r'), Some(&b'\n')) {
                self.put(input.get(..at + found).unwrap_or_default(), out);
                return at + found + self.line_broken(octet.copied(), out);
            }
            at += found + 2;
            if input.get(at) == Some(&b'.') && self.dots {
                self.put(input.get(..at).unwrap_or_default(), out);
                self.at = At::LineStart;
                return at;
            }
        }
    }

    /// A CR (at the end of the input, or bare), a bare LF or a NUL: takes it.
    fn line_broken(&mut self, octet: Option<u8>, out: &mut Vec<u8>) -> usize {
        match octet {
            Some(b'\r') => self.at = At::Cr,
            Some(b'\n') => self.bare_line_end(out),
            _ => {
                self.at = At::Inside;
                self.fault_found(Fault::Nul);
            }
        }
        1
    }

    /// Where dots count, the next octet is not at the start of a line: only a true CRLF counts for them, repaired or not.
    fn bare_line_end(&mut self, out: &mut Vec<u8>) {
        self.at = if self.dots { At::Inside } else { At::LineStart };
        match self.bare {
            BareLineEnds::Refuse => self.fault_found(Fault::BareLineEnd),
            BareLineEnds::Normalise => {
                self.repaired = true;
                self.put(b"\r\n", out);
            }
        }
    }

    fn fault_found(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.discard = true;
    }

    fn put(&self, octets: &[u8], out: &mut Vec<u8>) {
        if !self.discard {
            out.extend_from_slice(octets);
        }
    }
}

/// Looks after the header section of binary content: its body may hold any octets, but its fields are lines like all
/// others (RFC 3030 §3 speaks of MIME content). A bare LF in a field would end it for one reader and not for another, so that
/// what was judged is not what is shown.
#[derive(Debug, Default)]
pub struct HeaderLines {
    within: Within,
}

/// Where in the header section the last octet left us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Within {
    /// Behind CRLF.
    #[default]
    LineStart,
    /// Behind a CR that began a line.
    EmptyLine,
    /// Behind a CR elsewhere.
    Cr,
    /// Behind anything else.
    Line,
    /// Behind the section, or a fault.
    Over,
}

impl HeaderLines {
    /// Looks at the next octets, of which there may be any number.
    ///
    /// # Errors
    /// The first fault in the section.
    pub fn read(&mut self, octets: &[u8]) -> Result<(), Fault> {
        for octet in octets {
            self.within = match (self.within, octet) {
                (Within::Over, _) | (Within::EmptyLine, b'\n') => {
                    self.within = Within::Over;
                    return Ok(());
                }
                (Within::Cr, b'\n') => Within::LineStart,
                (Within::Cr | Within::EmptyLine, _) | (_, b'\n') => {
                    return Err(self.fault(Fault::BareLineEnd));
                }
                (_, 0) => return Err(self.fault(Fault::Nul)),
                (Within::LineStart, b'\r') => Within::EmptyLine,
                (Within::Line, b'\r') => Within::Cr,
                (Within::LineStart | Within::Line, _) => Within::Line,
            };
        }
        Ok(())
    }

    /// There is no more.
    ///
    /// # Errors
    /// The last octet was a bare CR in the section.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.within {
            Within::Cr | Within::EmptyLine => Err(self.fault(Fault::BareLineEnd)),
            Within::LineStart | Within::Line | Within::Over => Ok(()),
        }
    }

    fn fault(&mut self, fault: Fault) -> Fault {
        self.within = Within::Over;
        fault
    }
}
