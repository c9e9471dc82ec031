//! The second pass: writes the content as planned.

use super::{
    Plan, Refusal, Target,
    action::{Action, Change, actions},
    head::{Facts, Name},
    recode::Recoder,
    walk::{Place, Visitor, Walker},
};

/// Makes the content that was surveyed fit a target.
///
/// All that goes in comes out octet for octet, but the text of parts that do not fit, their
/// Content-Transfer-Encoding fields and those of the parts around them. A field that is missing is put at the end
/// of its header section.
#[derive(Debug)]
pub struct Converter {
    walker: Walker,
    actions: Vec<Action>,
    /// For the text that is open.
    recoder: Recoder,
    /// The Content-Transfer-Encoding field of the header section that is open has been written.
    labelled: bool,
}

impl Converter {
    /// Begins at the first octet of the content again.
    ///
    /// # Errors
    /// What does not fit and must not be changed: see [`Plan::refusal`].
    pub fn new(plan: &Plan, target: Target) -> Result<Self, Refusal> {
        let actions = actions(plan, target)?;
        Ok(Self { walker: Walker::new(), actions, recoder: Recoder::Keep, labelled: false })
    }

    /// Takes the next piece of the content and appends what becomes of it: about as much, or up to three times as
    /// much where it is encoded. What depends on the next piece waits for it.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let Self { walker, actions, recoder, labelled } = self;
        walker.push(piece, &mut Writer { actions, recoder, labelled, out });
    }

    /// Ends with the content: appends what waited.
    ///
    /// A last part that was changed ends in CRLF; other content ends as it ended.
    pub fn finish(self, out: &mut Vec<u8>) {
        let Self { walker, actions, mut recoder, mut labelled } = self;
        walker.finish(&mut Writer { actions: &actions, recoder: &mut recoder, labelled: &mut labelled, out });
    }
}

/// Writes what the walk tells.
struct Writer<'a> {
    actions: &'a [Action],
    recoder: &'a mut Recoder,
    labelled: &'a mut bool,
    out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    fn action(&self, part: usize) -> Action {
        self.actions.get(part).copied().unwrap_or_default()
    }

    fn write(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }
}

impl Visitor for Writer<'_> {
    fn part(&mut self, _place: Place) {
        *self.labelled = false;
    }

    fn field(&mut self, part: usize, name: Name, octets: &[u8]) {
        match self.action(part).label {
            // There is only one such field, or there would be no action.
            Some(label) if name == Name::Encoding => {
                if !std::mem::replace(self.labelled, true) {
                    self.write(label.field());
                }
            }
            _ => self.write(octets),
        }
    }

    fn header_end(&mut self, part: usize, _facts: &Facts, line: &[u8]) {
        let action = self.action(part);
        if action.mime_version {
            self.write(b"MIME-Version: 1.0\r\n");
        }
        if let Some(label) = action.label.filter(|_| !*self.labelled) {
            self.write(label.field());
        }
        self.write(line);
    }

    fn text_begin(&mut self, part: usize) {
        *self.recoder = Recoder::new(self.action(part).text);
    }

    fn text(&mut self, octets: &[u8]) {
        self.recoder.push(octets, self.out);
    }

    fn text_end(&mut self, _part: usize, last: bool) {
        self.recoder.finish(last, self.out);
        *self.recoder = Recoder::new(Change::Keep);
    }

    fn delimiter(&mut self, octets: &[u8]) {
        self.write(octets);
    }

    fn barren(&mut self, _part: usize) {}

    fn too_many(&mut self) {}
}
