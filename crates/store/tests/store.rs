//! The database with real files: what is kept, what is refused, what is undone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use store::{Migration, Pending, Schema, Store, StoreError, Value};

const FIRST: Migration =
    Migration { name: "pets", sql: "CREATE TABLE pet (name TEXT PRIMARY KEY, legs BIGINT NOT NULL)" };
const SECOND: Migration = Migration { name: "owners", sql: "ALTER TABLE pet ADD COLUMN owner TEXT" };
const OLD: Schema = Schema { owner: "zoo", migrations: &[FIRST] };
const NEW: Schema = Schema { owner: "zoo", migrations: &[FIRST, SECOND] };

fn open(path: &Path, schema: Schema) -> Store {
    Store::open(path, &[schema]).unwrap().0
}

async fn add(store: &Store, name: &'static str, legs: i64) -> Result<usize, StoreError> {
    let insert = "INSERT INTO pet (name, legs) VALUES (?1, ?2)";
    store.write(move |sql| sql.execute(insert, &[name.into(), legs.into()])).await
}

fn pets(store: &Store) -> Vec<String> {
    store.read(|sql| sql.query("SELECT name FROM pet ORDER BY name", &[], |row| row.text(0))).unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_another_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path, OLD);
    assert_eq!(add(&store, "cat", 4).await.unwrap(), 1);
    assert_eq!(pets(&store), ["cat"]);
    store.close();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["store.db"], "the log is in it, though there was a reader");
    assert!(matches!(add(&store, "bird", 2).await, Err(StoreError::Closed)));
    assert_eq!(pets(&open(&path, OLD)), ["cat"]);
}

#[test]
fn a_copy_is_the_database_of_one_moment_in_one_file_though_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let (path, copy) = (dir.path().join("store.db"), dir.path().join("copy.db"));
    let store = open(&path, OLD);
    let insert = "INSERT INTO pet (name, legs) VALUES (?1, ?2)";
    store
        .write_and_wait(move |sql| {
            (0..5000).try_for_each(|n| {
                sql.execute(insert, &[format!("{n:0200}").as_str().into(), n.into()]).map(drop)
            })
        })
        .unwrap();
    let mut steps = 0;
    Store::copy(&path, &copy, |done, all| {
        assert!(done <= all && all > 1 << 20);
        steps += 1;
        let name = format!("late {steps}");
        store.write_and_wait(move |sql| sql.execute(insert, &[name.as_str().into(), 4.into()])).unwrap();
    })
    .unwrap();
    assert!(steps > 2, "{steps}");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let look = Store::look_into(&copy, &[OLD]).unwrap();
    assert_eq!((pets(&look).len(), pets(&store).len()), (5000, 5000 + steps));
    assert!(matches!(look.write_and_wait(|_| Ok(())), Err(StoreError::Closed)));
    drop(look);
    assert_eq!(Store::faults(&copy).unwrap(), Vec::<String>::new());
    let beside = ["copy.db-wal", "copy.db-shm", "copy.db-journal"].map(|name| dir.path().join(name).exists());
    assert_eq!(beside, [false; 3]);
    // Nothing is written over, and what is not there is not copied.
    assert!(matches!(Store::copy(&path, &copy, |_, _| ()), Err(StoreError::Open { .. })));
    assert!(Store::copy(&dir.path().join("none.db"), &dir.path().join("x.db"), |_, _| ()).is_err());
    // An older one is not looked into, and a newer one neither.
    assert!(matches!(Store::look_into(&copy, &[NEW]), Err(StoreError::Migration { number: 2, .. })));
    assert_eq!(Store::due(&copy, &[NEW]).unwrap().len(), 1);
    let other = Schema { owner: "zoo", migrations: &[] };
    assert!(matches!(Store::look_into(&copy, &[other]), Err(StoreError::Newer { .. })));
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_and_can_be_asked_while_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.db"), OLD);
    add(&store, "cat", 4).await.unwrap();
    let snapshot = store.snapshot().unwrap();
    let count = "SELECT name FROM pet";
    let seen = || snapshot.read(|sql| sql.query(count, &[], |row| row.text(0))).unwrap();
    assert_eq!(seen(), ["cat"]);
    add(&store, "bird", 2).await.unwrap();
    assert_eq!((seen().len(), pets(&store).len()), (1, 2));
    let within = snapshot.read(|_| snapshot.read(|sql| sql.query(count, &[], |row| row.text(0)))).unwrap();
    assert_eq!(within.len(), 2, "what asks while it answers looks at what is there now");
    drop(snapshot);
    assert_eq!(pets(&store), ["bird", "cat"]);
}

#[tokio::test]
async fn a_change_that_fails_alone_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.db"), OLD);
    let insert = "INSERT INTO pet (name, legs) VALUES ('cat', 4)";
    let failed = store.write(move |sql| {
        sql.execute(insert, &[])?;
        sql.execute(insert, &[])
    });
    assert!(failed.await.is_err());
    assert!(pets(&store).is_empty());
    add(&store, "bird", 2).await.unwrap();
    assert_eq!(pets(&store), ["bird"]);
}

#[tokio::test]
async fn only_we_read_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path, OLD);
    add(&store, "cat", 4).await.unwrap();
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_change_stands_and_is_told_though_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.db"), OLD);
    let (tell, told) = tokio::sync::oneshot::channel();
    let insert = |name: &'static str| {
        move |sql: &store::Sql<'_>| {
            sql.execute("INSERT INTO pet (name, legs) VALUES (?1, 4)", &[name.into()]).map(|_| name)
        }
    };
    drop(store.change::<_, StoreError, _, _>(insert("cat"), |name| tell.send(*name).unwrap()));
    let again = store.change::<_, StoreError, _, _>(insert("cat"), |_| panic!("it does not stand"));
    // Asked for first, though it is waited for last.
    let dog =
        store.change::<_, StoreError, _, _>(insert("dog"), |_| panic!("what comes of it is the caller's"));
    let late = store.change::<_, StoreError, _, _>(insert("dog"), |_| ());
    assert!(matches!(late.await, Err(StoreError::Conflict)));
    assert_eq!(dog.await.unwrap(), "dog");
    assert!(matches!(again.await, Err(StoreError::Conflict)));
    assert_eq!(told.await.unwrap(), "cat");
    assert_eq!(pets(&store), ["cat", "dog"]);
}

#[tokio::test]
async fn a_change_that_fails_is_undone_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.db"), OLD);
    let half = store.write(|sql| {
        sql.execute("INSERT INTO pet (name, legs) VALUES ('half', 1)", &[])?;
        sql.execute("INSERT INTO pet (name, legs) VALUES ('half', 2)", &[])
    });
    let broken = store.write(|sql| -> Result<(), StoreError> {
        sql.execute("INSERT INTO pet (name, legs) VALUES ('broken', 1)", &[])?;
        panic!("a mistake");
    });
    let (half, cat, broken, bird) = tokio::join!(half, add(&store, "cat", 4), broken, add(&store, "bird", 2));
    assert!(matches!(half, Err(StoreError::Conflict)), "{half:?}");
    assert!(matches!(broken, Err(StoreError::Engine(_))), "{broken:?}");
    assert_eq!((cat.unwrap(), bird.unwrap()), (1, 1));
    assert_eq!(pets(&store), ["bird", "cat"]);
}

#[tokio::test]
async fn many_changes_at_once_all_come_through() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store.db"), OLD);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..500_i64 {
        let store = store.clone();
        tasks.spawn(async move {
            let name = Value::Text(format!("pet {number:03}"));
            let insert = "INSERT INTO pet (name, legs) VALUES (?1, ?2)";
            store.write(move |sql| sql.execute(insert, &[name, number.into()])).await.unwrap()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 500);
    assert_eq!(pets(&store).len(), 500);
}

#[tokio::test]
async fn tables_go_forward_and_never_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let step = |number, name| Pending { owner: "zoo", number, name };
    assert_eq!(Store::pending(&path, &[NEW]).unwrap(), [step(1, "pets"), step(2, "owners")]);
    assert!(!path.exists(), "a dry run makes no file");
    let (old, done) = Store::open(&path, &[OLD]).unwrap();
    assert_eq!(done, [step(1, "pets")]);
    add(&old, "cat", 4).await.unwrap();
    old.close();
    assert_eq!(Store::pending(&path, &[NEW]).unwrap(), [step(2, "owners")]);
    let (new, done) = Store::open(&path, &[NEW]).unwrap();
    assert_eq!(done, [step(2, "owners")]);
    let owner = new.read(|sql| sql.query("SELECT owner FROM pet", &[], |row| row.optional_text(0))).unwrap();
    assert_eq!(owner, [None]);
    new.close();
    assert_eq!(Store::open(&path, &[NEW]).unwrap().1, []);
    let newer = Store::open(&path, &[OLD]).unwrap_err();
    assert!(
        matches!(&newer, StoreError::Newer { owner, found: 2, known: 1, .. } if owner == "zoo"),
        "{newer}"
    );
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(newer.to_string().contains(name) && !newer.hint().contains("store.db"), "{newer}");
    let tried = Store::pending(&path, &[OLD]).unwrap_err();
    assert!(matches!(tried, StoreError::Newer { .. }), "{tried}");
    let other = Schema { owner: "farm", migrations: &[] };
    let unknown = Store::open(&path, &[other]).unwrap_err();
    assert!(matches!(&unknown, StoreError::Newer { owner, known: 0, .. } if owner == "zoo"), "{unknown}");
}

#[test]
fn a_step_that_fails_leaves_all_as_it_was() {
    const BAD: Schema = Schema {
        owner: "zoo",
        migrations: &[FIRST, SECOND, Migration { name: "nonsense", sql: "ALTER TABLE nothing ADD COLUMN x" }],
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    open(&path, OLD).close();
    let failed = Store::open(&path, &[BAD]).unwrap_err();
    assert!(matches!(failed, StoreError::Migration { owner: "zoo", number: 3, .. }), "{failed}");
    let tried = Store::pending(&path, &[BAD]).unwrap_err();
    assert!(
        matches!(tried, StoreError::Migration { owner: "zoo", number: 3, .. }),
        "a dry run finds it too: {tried}"
    );
    assert_eq!(Store::pending(&path, &[NEW]).unwrap().len(), 1, "the second was undone with the third");
}

#[test]
fn another_programs_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    fs::write(&path, "this is no database, but a letter to somebody whom it concerns").unwrap();
    let refused = Store::open(&path, &[OLD]).unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { .. }), "{refused}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("this is no database"));
    let missing = Store::open(&dir.path().join("no/such/store.db"), &[OLD]).unwrap_err();
    assert!(matches!(missing, StoreError::Open { .. }), "{missing}");
}

/// A server that is killed closes nothing: what was told as written is there all the same, and what was under way is not half there.
#[tokio::test]
async fn what_was_written_is_there_when_nothing_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = open(&path, OLD);
    for name in ["cat", "bird"] {
        add(&store, name, 2).await.unwrap();
    }
    // The files as they are now, with the log that nobody has written back.
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(dir.path()).unwrap().map(Result::unwrap) {
        // The index over the log is not kept through a crash.
        if !file.file_name().to_str().unwrap().ends_with("-shm") {
            fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let log = copy.path().join("store.db-wal");
    assert!(fs::metadata(&log).unwrap().len() > 0);
    assert_eq!(pets(&open(&copy.path().join("store.db"), OLD)), ["bird", "cat"]);
    // A torn end of the log costs what was never told as written.
    let torn = tempfile::tempdir().unwrap();
    let torn = torn.path().join("store.db");
    fs::copy(dir.path().join("store.db"), &torn).unwrap();
    let octets = fs::read(dir.path().join("store.db-wal")).unwrap();
    fs::write(torn.with_file_name("store.db-wal"), octets.get(..octets.len() - 100).unwrap()).unwrap();
    assert_eq!(pets(&open(&torn, OLD)), ["cat"]);
}
