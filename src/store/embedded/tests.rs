//! What the engine is made to do: keep its sum, say what is wrong with its files, stay within a prefix.

use std::{fs, os::unix::fs::FileExt as _};

use super::*;
use crate::store::transfer_tests::options;

#[test]
fn another_schema_is_refused_by_name() {
    let error_of = |schema: u32| {
        let home = tempfile::tempdir().unwrap();
        {
            let kv = Embedded::open(&options(home.path())).unwrap();
            let other = Some(codec::encode(&schema).unwrap());
            kv.commit([Change { key: keys::schema(), value: other }]).unwrap();
        }
        Embedded::open(&options(home.path())).unwrap_err()
    };
    let error = error_of(SCHEMA + 1);
    assert!(matches!(error, StoreError::TooNew { found: 3, known: 2, .. }), "{error}");
    let error = error_of(SCHEMA - 1);
    assert!(matches!(error, StoreError::TooOld { found: 1, known: 2, .. }), "{error}");
}

#[test]
fn a_store_that_is_open_is_locked() {
    let home = tempfile::tempdir().unwrap();
    let _held = Embedded::open(&options(home.path())).unwrap();
    let error = Embedded::open(&options(home.path())).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[test]
fn a_damaged_store_is_an_error_that_names_its_directory() {
    let home = tempfile::tempdir().unwrap();
    {
        let kv = Embedded::open(&options(home.path())).unwrap();
        kv.commit([Change { key: b"Tx".to_vec(), value: Some(vec![1; 4096]) }]).unwrap();
    }
    // The configuration that sled checks by its sum before it believes anything else.
    fs::write(home.path().join("conf"), b"segment_size: 7\nuse_compression: true\nversion: 0.99\n").unwrap();
    let error = Embedded::open(&options(home.path())).unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains(&home.path().display().to_string()), "{error}");
}

/// Where the engine opens a damaged store and comes upon the damage later.
#[test]
fn damage_that_a_read_comes_upon_is_told_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("data");
    {
        let kv = Embedded::open(&options(&path)).unwrap();
        for number in 0..400_u32 {
            let key = [b"S".as_slice(), &number.to_be_bytes()].concat();
            kv.commit([Change { key, value: Some(vec![7; 300]) }]).unwrap();
        }
    }
    // It reads its pages when they are asked for.
    let kv = Embedded::open(&options(&path)).unwrap();
    let log = File::options().write(true).open(path.join("db")).unwrap();
    let length = usize::try_from(log.metadata().unwrap().len()).unwrap();
    log.write_all_at(&vec![0xff; length], 0).unwrap();
    let error = kv.scan(b"S", None, 1000).unwrap_err();
    assert!(error.to_string().contains(DAMAGED), "{error}");
    assert!(kv.health().trouble().unwrap().contains(DAMAGED));
}

#[test]
fn the_sum_is_right_after_any_changes_and_wrong_where_a_row_was_not_changed_by_a_batch() {
    let home = tempfile::tempdir().unwrap();
    let put = |key: &[u8], value: &[u8]| Change { key: key.to_vec(), value: Some(value.to_vec()) };
    let gone = |key: &[u8]| Change { key: key.to_vec(), value: None };
    let kv = Embedded::open(&options(home.path())).unwrap();
    kv.check_sum().unwrap();
    let twice = [put(b"a", b"1"), put(b"b", b"2"), gone(b"b"), put(b"a", b"3"), gone(b"never"), gone(b"!x")];
    for changes in [twice.to_vec(), twice.to_vec(), vec![gone(b"a")], vec![put(b"c", b"")], Vec::new()] {
        kv.commit(changes).unwrap();
        kv.check_sum().unwrap();
    }
    drop(kv);
    let kv = Embedded::open(&options(home.path())).unwrap();
    kv.check_sum().unwrap();
    // What is written later does not hide it.
    kv.alter(b"c", b"1");
    for value in [b"1".as_slice(), b""] {
        assert!(matches!(kv.check_sum(), Err(StoreError::Altered { .. })));
        kv.commit([put(b"d", b"4"), put(b"c", value)]).unwrap();
    }
    assert!(matches!(kv.check_sum(), Err(StoreError::Altered { .. })));
}

#[test]
fn a_store_from_before_there_were_sums_gets_one() {
    let home = tempfile::tempdir().unwrap();
    {
        let kv = Embedded::open(&options(home.path())).unwrap();
        kv.commit([Change { key: b"a".to_vec(), value: Some(b"1".to_vec()) }]).unwrap();
        kv.marks.insert(LAST, &kv.last.load(Ordering::Relaxed).to_be_bytes()).unwrap();
        kv.rows.remove(keys::sum()).unwrap();
    }
    let kv = Embedded::open(&options(home.path())).unwrap();
    kv.commit([Change { key: b"b".to_vec(), value: Some(b"2".to_vec()) }]).unwrap();
    kv.check_sum().unwrap();
    // One that had one and has none is no such store.
    kv.rows.remove(keys::sum()).unwrap();
    drop(kv);
    assert!(Embedded::open(&options(home.path())).unwrap().check_sum().is_err());
}

#[test]
fn a_scan_stays_within_its_prefix_and_pages() {
    let home = tempfile::tempdir().unwrap();
    let kv = Embedded::open(&options(home.path())).unwrap();
    let row = |key: &[u8]| Change { key: key.to_vec(), value: Some(Vec::new()) };
    kv.commit([row(b"Sa1"), row(b"Sa2"), row(b"Sa3"), row(b"Sb1"), row(b"T")]).unwrap();
    let keys = |rows: Vec<(Octets, Octets)>| rows.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>();
    assert_eq!(keys(kv.scan(b"Sa", None, 2).unwrap()), [b"Sa1", b"Sa2"]);
    assert_eq!(keys(kv.scan(b"Sa", Some(b"Sa2"), 9).unwrap()), [b"Sa3"]);
    assert_eq!(kv.count(b"S").unwrap(), 4);
}

#[test]
fn the_successor_carries() {
    assert_eq!(successor(b"a"), Some(b"b".to_vec()));
    assert_eq!(successor(&[7, 255]), Some(vec![8]));
    assert_eq!(successor(&[255, 255]), None);
}
