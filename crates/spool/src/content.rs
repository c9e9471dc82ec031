//! Content on its way in and out.

use std::{ops::Deref, sync::Arc};

use disk::File;
use mail::QueueId;

use crate::{
    SpoolError, files,
    format::{HEADER_LEN, Kind, PIECE_MAX, RECORD_VERSION, RecordHeader, Tag, padded},
    frame::Pieces,
    memory::Claim,
    scan::ContentScan,
    shared::Shared,
    spare::SYNC_STEP_OCTETS,
};

/// Gathers the content of one message: in memory as long as it is small, then in a file of its own, written piece by
/// piece, so that a session holds no more than that whatever the size.
pub struct ContentWriter {
    shared: Arc<Shared>,
    id: QueueId,
    pieces: Vec<Vec<u8>>,
    in_memory: usize,
    len: u64,
    large: Option<Large>,
    /// For what is in memory.
    claim: Claim,
    /// Octets that are left free before all others.
    room: usize,
}

struct Large {
    guard: Guard,
    file: Arc<dyn File>,
    tag: Tag,
    end: u64,
    /// How far it is synced. Never far behind the end: a disk writes in order, and who syncs a small message beside the end of
    /// a large one would wait for all of it.
    synced: u64,
    index: u16,
}

impl ContentWriter {
    pub(crate) fn new(shared: Arc<Shared>, id: QueueId) -> Self {
        Self {
            shared,
            id,
            pieces: Vec::new(),
            in_memory: 0,
            len: 0,
            large: None,
            claim: Claim::default(),
            room: 0,
        }
    }

    /// Leaves room before all content for what is known only at its end; before the first piece. [`ContentWriter::fill_room`] has to follow.
    pub fn leave_room(&mut self, octets: usize) {
        self.room = octets.min(PIECE_MAX);
    }

    /// Puts something into the room that was left, once all pieces are there. `octets` makes it: of any length where it is told nothing, of
    /// exactly the length that it is told where the content is on disk already.
    pub async fn fill_room(
        &mut self,
        octets: impl FnOnce(Option<usize>) -> Vec<u8>,
    ) -> Result<(), SpoolError> {
        let room = std::mem::take(&mut self.room);
        let Some(large) = self.large.take() else {
            let octets = octets(None);
            self.len += octets.len() as u64;
            self.in_memory += octets.len();
            self.pieces.insert(0, octets);
            return Ok(());
        };
        let octets = octets(Some(room));
        if octets.len() != room {
            return Err(self.unfilled());
        }
        let shared = Arc::clone(&self.shared);
        let io = self.shared.io.clone();
        // Nothing of it is promised yet: what stands there may be written over.
        let filled = io.write(move || large.record(&shared, &octets, (0, 0)).map(|()| large)).await?;
        self.large = Some(filled);
        Ok(())
    }

    /// Takes the next piece; the Vec is kept as it is, so pieces of about 64 KiB are best. Where memory is short, it waits for
    /// some as long as `patience` does, and is refused then.
    pub async fn write<P: Future<Output = ()> + Send>(
        &mut self,
        piece: Vec<u8>,
        patience: impl FnOnce() -> P,
    ) -> Result<(), SpoolError> {
        let claim = if let Some(claim) = self.shared.memory.try_claim(piece.capacity()) {
            claim
        } else {
            // Who waits holds nothing that others wait for.
            if self.in_memory > 0 {
                self.spill().await?;
            }
            // On the heap: it is rare, and room for it would be in each session.
            Box::pin(self.shared.memory.claim(piece.capacity(), patience())).await?
        };
        self.claim.add(claim);
        self.len += piece.len() as u64;
        self.in_memory += piece.len();
        self.pieces.push(piece);
        if self.large.is_some() || self.in_memory > self.shared.config.content_in_memory_max {
            self.spill().await?;
        }
        Ok(())
    }

    /// A mistake of ours must not be kept as somebody's mail.
    fn unfilled(&self) -> SpoolError {
        let path = files::large_path(&self.shared.config.dir, self.id);
        let source = std::io::Error::other("the room before the content is not filled");
        SpoolError::Write { path, source }
    }

    /// Octets taken so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was taken.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Ends the content. One in a file of its own is on stable storage when this returns.
    pub async fn finish(mut self) -> Result<Content, SpoolError> {
        let Some(large) = self.large.take() else {
            let pieces = Pieces::new(self.id, std::mem::take(&mut self.pieces));
            return Ok(Content(Kept::Memory(pieces, Some(self.claim))));
        };
        if self.room > 0 {
            return Err(self.unfilled());
        }
        let (shared, len) = (Arc::clone(&self.shared), self.len);
        let io = self.shared.io.clone();
        io.write(move || {
            let path = files::large_path(&shared.config.dir, large.guard.id);
            let synced = large
                .file
                .sync_data()
                .and_then(|()| shared.disk.sync_dir(&files::large_dir(&shared.config.dir)));
            synced.map_err(|source| SpoolError::Write { path, source })?;
            Ok(Content(Kept::File { guard: large.guard, tag: large.tag, len }))
        })
        .await
    }

    /// Writes what is in memory to the file.
    async fn spill(&mut self) -> Result<(), SpoolError> {
        self.shared.check_mail()?;
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        let mut pieces = std::mem::take(&mut self.pieces);
        if self.large.is_none() && self.room > 0 {
            pieces.insert(0, vec![b' '; self.room]);
            self.len += self.room as u64;
        }
        self.in_memory = 0;
        let claim = std::mem::take(&mut self.claim);
        let large = self.large.take();
        let io = self.shared.io.clone();
        let large = io
            .write(move || {
                let mut large = match large {
                    Some(large) => large,
                    None => Large::create(&shared, id)?,
                };
                // An upload may be slow, and the committer may have had nothing to look at meanwhile.
                shared.check_room()?;
                large.write(&shared, &pieces)?;
                drop((pieces, claim));
                Ok(large)
            })
            .await?;
        self.large = Some(large);
        Ok(())
    }
}

impl Large {
    fn create(shared: &Arc<Shared>, id: QueueId) -> Result<Self, SpoolError> {
        let path = files::large_path(&shared.config.dir, id);
        let file = shared.disk.create(&path).map_err(|source| failed(shared, path, source))?;
        let mut tag = [0; 16];
        shared.random.fill(&mut tag);
        Ok(Self {
            guard: Guard { shared: Some(Arc::clone(shared)), id },
            file,
            tag,
            end: 0,
            synced: 0,
            index: 0,
        })
    }

    fn write(&mut self, shared: &Shared, pieces: &[Vec<u8>]) -> Result<(), SpoolError> {
        for run in pieces.iter().flat_map(|piece| piece.chunks(PIECE_MAX)) {
            self.record(shared, run, (self.index, self.end))?;
            self.end += (HEADER_LEN + padded(run.len())) as u64;
            self.index = self.index.wrapping_add(1);
            if self.end - self.synced >= SYNC_STEP_OCTETS {
                self.file.sync_data().map_err(|source| self.unwritten(shared, source))?;
                self.synced = self.end;
            }
        }
        Ok(())
    }

    /// Writes a record with its number at its place.
    fn record(&self, shared: &Shared, run: &[u8], (index, at): (u16, u64)) -> Result<(), SpoolError> {
        let header = RecordHeader {
            kind: Kind::Content,
            version: RECORD_VERSION,
            index,
            count: 0,
            len: u32::try_from(run.len()).unwrap_or(u32::MAX),
            extra: 0,
            lsn: 0,
            id: self.guard.id.to_bytes(),
            payload_crc: crc32c::crc32c(run),
        };
        let mut head = Vec::with_capacity(HEADER_LEN);
        header.encode(&self.tag, &mut head);
        let pad = [0; 8];
        let pad = pad.get(..padded(run.len()) - run.len()).unwrap_or_default();
        let mut buffers = [run_slice(&head), run_slice(run), run_slice(pad)];
        let written = self.file.write_all_vectored_at(&mut buffers, at);
        written.map_err(|source| self.unwritten(shared, source))
    }

    fn unwritten(&self, shared: &Shared, source: std::io::Error) -> SpoolError {
        failed(shared, files::large_path(&shared.config.dir, self.guard.id), source)
    }
}

fn run_slice(octets: &[u8]) -> std::io::IoSlice<'_> {
    std::io::IoSlice::new(octets)
}

/// A file of its own has no promise attached yet: no room is 452, and poisons nothing.
fn failed(shared: &Shared, path: std::path::PathBuf, source: std::io::Error) -> SpoolError {
    if crate::supply::is_full(&source) {
        SpoolError::Full { dir: shared.dir() }
    } else {
        SpoolError::Write { path, source }
    }
}

/// Removes the file of content that is not committed.
pub(crate) struct Guard {
    shared: Option<Arc<Shared>>,
    id: QueueId,
}

impl Guard {
    /// The file belongs to the queue now.
    pub(crate) fn keep(mut self) {
        self.shared = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        // After a failed sync nobody knows whether its envelope is on disk: the next start will see.
        if shared.is_poisoned() {
            return;
        }
        let path = files::large_path(&shared.config.dir, self.id);
        let disk = Arc::clone(&shared.disk);
        // A file that stays is removed as an orphan at the next start.
        shared.io.spawn(move || drop(disk.remove(&path)));
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "file of {}", self.id)
    }
}

impl std::fmt::Debug for ContentWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "content of {}, {} octets so far", self.id, self.len)
    }
}

/// The whole content of a message.
#[derive(Debug)]
pub struct Content(pub(crate) Kept);

#[derive(Debug)]
pub(crate) enum Kept {
    /// A report of ours claims nothing: it ends things.
    Memory(Pieces, Option<Claim>),
    File {
        guard: Guard,
        tag: Tag,
        len: u64,
    },
}

impl Content {
    /// Octets.
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kept::Memory(pieces, _) => pieces.octets.iter().map(|piece| piece.len() as u64).sum(),
            Kept::File { len, .. } => *len,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Content from memory, such as a DSN.
impl From<Vec<u8>> for Content {
    fn from(octets: Vec<u8>) -> Self {
        // The message's id is put in at the commit.
        Self(Kept::Memory(Pieces::new(QueueId::from_bytes([0; 16]), vec![octets]), None))
    }
}

/// Reads content back, in pieces of at most 64 KiB, each checked before it is handed on.
pub struct ContentReader {
    pub(crate) len: u64,
    pub(crate) source: Source,
}

pub(crate) enum Source {
    /// From memory: it has not left it since it came.
    Memory { pieces: Arc<Vec<Vec<u8>>>, next: usize },
    /// From a file. What keeps it from being used anew is held as long.
    File {
        shared: Arc<Shared>,
        file: Arc<dyn File>,
        scan: Option<ContentScan>,
        _segment: Option<Arc<files::SegmentFile>>,
    },
}

impl std::fmt::Debug for ContentReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "reader of {} octets", self.len)
    }
}

/// A piece of content. One that has not left memory since it came is shared and not copied.
#[derive(Debug)]
pub struct Piece(Octets);

#[derive(Debug)]
enum Octets {
    Own(Vec<u8>),
    Shared { pieces: Arc<Vec<Vec<u8>>>, number: usize },
}

impl From<Vec<u8>> for Piece {
    fn from(octets: Vec<u8>) -> Self {
        Self(Octets::Own(octets))
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::Own(octets) => octets,
            Octets::Shared { pieces, number } => pieces.get(*number).map_or(&[], Vec::as_slice),
        }
    }
}

impl ContentReader {
    /// Octets in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The next piece; none at the end. After [`SpoolError::Damaged`] nothing may follow: whoever sends it must end
    /// the connection without the final dot.
    pub async fn next(&mut self) -> Result<Option<Piece>, SpoolError> {
        match &mut self.source {
            Source::Memory { pieces, next } => {
                let number = *next;
                *next += 1;
                let shared = || Piece(Octets::Shared { pieces: Arc::clone(pieces), number });
                Ok((number < pieces.len()).then(shared))
            }
            Source::File { shared, file, scan, .. } => {
                let Some(mut here) = scan.take().filter(|scan| scan.left > 0) else { return Ok(None) };
                let id = QueueId::from_bytes(here.id);
                let damaged = SpoolError::Damaged { id, what: "content" };
                let mut octets = match read_now(file.as_ref(), here.at, here.want()) {
                    Some(octets) => octets,
                    None => read_later(shared, file, id, here.at, here.want()).await?,
                };
                if !here.take(&mut octets) {
                    return Err(damaged);
                }
                *scan = Some(here);
                Ok(Some(octets.into()))
            }
        }
    }
}

/// From the page cache, if all of it is there.
fn read_now(file: &dyn File, at: u64, len: usize) -> Option<Vec<u8>> {
    let mut octets = vec![0; len];
    let read = file.read_at_if_cached(&mut octets, at).ok()?;
    (read == len).then_some(octets)
}

async fn read_later(
    shared: &Arc<Shared>,
    file: &Arc<dyn File>,
    id: QueueId,
    at: u64,
    len: usize,
) -> Result<Vec<u8>, SpoolError> {
    let file = Arc::clone(file);
    let path = shared.dir().join(id.to_string());
    let io = shared.io.clone();
    io.run(move || read_upto(file.as_ref(), at, len).map_err(|source| SpoolError::Read { path, source }))
        .await
}

/// Reads `len` octets, or fewer at the end of the file.
pub(crate) fn read_upto(file: &dyn File, at: u64, len: usize) -> std::io::Result<Vec<u8>> {
    let mut octets = vec![0; len];
    let mut filled = 0;
    while let Some(rest) = octets.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let read = file.read_at(rest, at + filled as u64)?;
        if read == 0 {
            break;
        }
        filled += read;
    }
    octets.truncate(filled);
    Ok(octets)
}
