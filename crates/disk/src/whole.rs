//! Small files that are read and replaced as a whole.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use crate::Disk;

/// All of a file. [`io::ErrorKind::FileTooLarge`] if it has more than `octets_max`.
pub fn read_whole(disk: &dyn Disk, path: &Path, octets_max: usize) -> io::Result<Vec<u8>> {
    let file = disk.open_read(path)?;
    let octets = usize::try_from(file.len()?).unwrap_or(usize::MAX);
    if octets > octets_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut buffer = vec![0; octets];
    file.read_exact_at(&mut buffer, 0)?;
    Ok(buffer)
}

/// Puts `octets` in the place of a file: after a crash at any moment there is the old content or the new, and the new
/// once this has returned. The same name with `.new` behind it is used on the way.
pub fn replace_whole(disk: &dyn Disk, path: &Path, octets: &[u8]) -> io::Result<()> {
    let new = beside(path);
    match disk.remove(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(&new)?;
    file.write_all_at(octets, 0)?;
    file.sync_data()?;
    disk.rename(&new, path)?;
    disk.sync_dir(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{File, OsDisk};

    #[test]
    fn a_file_is_replaced_whatever_an_earlier_try_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites");
        assert_eq!(read_whole(&OsDisk, &path, 9).unwrap_err().kind(), io::ErrorKind::NotFound);
        let left: std::sync::Arc<dyn File> = OsDisk.create(&beside(&path)).unwrap();
        left.write_all_at(b"much more than what comes", 0).unwrap();
        for text in ["first", "second", ""] {
            replace_whole(&OsDisk, &path, text.as_bytes()).unwrap();
            assert_eq!(read_whole(&OsDisk, &path, 6).unwrap(), text.as_bytes());
        }
        assert_eq!(OsDisk.list(dir.path()).unwrap().len(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites");
        replace_whole(&OsDisk, &path, b"seven...").unwrap();
        assert_eq!(read_whole(&OsDisk, &path, 7).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
