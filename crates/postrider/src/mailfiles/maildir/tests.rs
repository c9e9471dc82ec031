//! What other programs have written is read, and what is written is read the same.

use std::mem;

use proptest::prelude::*;

use super::*;

fn mailbox_of(mailbox: Option<&str>) -> String {
    mailbox.unwrap_or("INBOX").to_owned()
}

/// All messages of a Maildir, each with its octets.
fn read(root: &Path) -> Vec<(Letter, Vec<u8>)> {
    let mut reader = Reader::open(root, mailbox_of).unwrap();
    let (mut all, mut octets) = (Vec::new(), Vec::new());
    while let Some(part) = reader.next_part().unwrap() {
        match part {
            Part::Octets(more) => octets.extend(more),
            Part::Message(letter) => all.push((letter, mem::take(&mut octets))),
        }
    }
    assert_eq!(reader.progress(), (all.len() as u64, all.len() as u64));
    all
}

fn file(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn what_other_programs_have_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    file(root, "cur/1000.a.host,S=3:2,FPRSbz", "a\nb");
    file(root, "cur/999.b.host:2,T", "Subject: x\r\n\r\n");
    file(root, "new/1001.c.host", "");
    file(root, "new/.hidden", "no message");
    file(root, "dovecot-keywords", "0 $Label1\n1 work\nnonsense\n");
    file(root, ".Work.2024/cur/5.d:2,D", "d\n");
    file(root, ".Work.2024/maildirfolder", "");
    file(root, ".notes/text", "no folder");
    assert!(is_maildir(root) && !is_maildir(&root.join(".notes")));
    let read = read(root);
    let told: Vec<_> = read
        .iter()
        .map(|(letter, octets)| {
            let marks = [letter.flags.join(" "), letter.keywords.join(" ")].join("|");
            (
                letter.folder.as_str(),
                letter.source.as_str(),
                marks,
                String::from_utf8_lossy(octets).into_owned(),
            )
        })
        .collect();
    let expected = [
        ("INBOX", "999.b.host", "\\Deleted|", "Subject: x\r\n\r\n"),
        ("INBOX", "1000.a.host,S=3", "\\Flagged \\Answered \\Seen|$Forwarded work", "a\r\nb"),
        ("INBOX", "1001.c.host", "|", ""),
        ("Work/2024", "5.d", "\\Draft|", "d\r\n"),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(folder, source, marks, octets)| (folder, source, marks.to_owned(), octets.to_owned()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn what_vanishes_meanwhile_is_told() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "cur/1.a:2,", "a");
    file(dir.path(), "cur/2.b:2,", "b");
    let mut reader = Reader::open(dir.path(), mailbox_of).unwrap();
    assert!(matches!(reader.next_part(), Ok(Some(Part::Octets(_)))));
    fs::rename(dir.path().join("cur/2.b:2,"), dir.path().join("cur/2.b:2,S")).unwrap();
    assert!(matches!(reader.next_part(), Ok(Some(Part::Message(_)))));
    assert!(matches!(reader.next_part(), Ok(None)));
    assert_eq!(reader.files_vanished(), 1);
}

#[test]
fn nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let letter = Letter { source: "M1U1V1".to_owned(), ..Letter::default() };
    let mut writer = Writer::create(dir.path(), "INBOX").unwrap();
    writer.begin(&letter).unwrap();
    assert_eq!(writer.begin(&letter).unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[test]
fn more_keywords_than_letters_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let keywords = (0..28).map(|number| format!("k{number}")).collect();
    let letter = Letter { source: "M1U1V1".to_owned(), keywords, ..Letter::default() };
    let mut writer = Writer::create(dir.path(), "a.b/c").unwrap();
    writer.begin(&letter).unwrap();
    writer.end(0).unwrap();
    assert_eq!(writer.finish().unwrap(), 2);
    fs::create_dir_all(dir.path().join("cur")).unwrap();
    let read = read(dir.path());
    assert_eq!((read[0].0.folder.as_str(), read[0].0.keywords.len()), ("a.b/c", 26));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_written_is_read_the_same(
        messages in proptest::collection::vec(
            (
                // All that a message may be whose first line ends as lines of messages do.
                "(|[a-c]{0,3}\r\n([a-c]|\r\n|\r|\n|\r\r\n){0,8})",
                proptest::sample::subsequence(LETTERS.map(|(_, flag)| flag.to_owned()).to_vec(), 0..=5),
                proptest::sample::subsequence(vec!["$Label1".to_owned(), "work".to_owned()], 0..=2),
                0_u64..4_000_000_000_000,
            ),
            0..4,
        ),
        mailbox in "(INBOX|[a-c.é&]{1,8}(/[a-c.é&]{1,8})?)",
    ) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("export");
        drop(Writer::create(&root, "INBOX").unwrap());
        let mut writer = Writer::create(&root, &mailbox).unwrap();
        for (number, (octets, flags, keywords, came)) in messages.iter().enumerate() {
            let letter = Letter {
                folder: mailbox.clone(),
                source: format!("M1U{number}V1"),
                known_by: KnownBy::Content,
                flags: flags.clone(),
                keywords: keywords.clone(),
                internal_date: i64::try_from(*came).unwrap(),
                octets: octets.len() as u64,
            };
            writer.begin(&letter).unwrap();
            octets.as_bytes().chunks(3).for_each(|piece| writer.write(piece).unwrap());
            writer.end(letter.internal_date).unwrap();
        }
        prop_assert_eq!(writer.finish().unwrap(), 0);
        let read = read(&root);
        prop_assert_eq!(read.len(), messages.len());
        for (octets, flags, keywords, came) in &messages {
            let came = i64::try_from(*came).unwrap();
            let same = |(letter, read): &(Letter, Vec<u8>)| {
                let mut kept = letter.keywords.clone();
                kept.sort();
                letter.internal_date == came
                    && letter.folder == mailbox
                    && &letter.flags == flags
                    && &kept == keywords
                    && read == octets.as_bytes()
            };
            prop_assert!(read.iter().any(same), "{octets:?} is not in {read:?}");
        }
    }
}
