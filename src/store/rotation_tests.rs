use std::{collections::BTreeMap, fs, path::Path};

use super::*;
use crate::{
    clock::Timestamp,
    store::{StoreOptions, transfer_tests::options},
};

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store, and what it should hold.
struct Scene {
    home: tempfile::TempDir,
    options: StoreOptions,
    engine: Arc<Engine>,
    rotation: Rotation,
    rows: Rows,
}

impl Scene {
    /// A store that takes many times what it holds.
    fn set() -> Self {
        let home = tempfile::tempdir().unwrap();
        let options = options(&home.path().join("data"));
        let engine = Arc::new(Engine::open(&options).unwrap());
        let rotation = Rotation::new(Arc::clone(&engine));
        let mut scene = Self { home, options, engine, rotation, rows: Rows::new() };
        scene.grow();
        scene.engine.set_compact_above(1 << 20);
        scene
    }

    fn grow(&mut self) {
        for round in 0..40_u8 {
            for table in [b'B', b'D', b'T'] {
                self.write((0..200).map(|row| put(table, row, round)).collect());
            }
        }
    }

    /// As the writer does.
    fn write(&mut self, changes: Vec<Change>) {
        let share = self.rotation.share_of(&changes);
        for Change { key, value } in changes.clone() {
            match value {
                Some(value) => drop(self.rows.insert(key, value)),
                None => drop(self.rows.remove(&key)),
            }
        }
        self.engine.current().commit(changes).unwrap();
        self.rotation.write(share);
    }

    /// Ends it, and hands over what keeps its files.
    fn close(self) -> tempfile::TempDir {
        self.home
    }

    fn folder(&self) -> PathBuf {
        self.engine.current().folder().to_owned()
    }

    /// Whether what a kill at this moment would leave holds the same.
    fn survives(&self) -> bool {
        let copy = tempfile::tempdir().unwrap();
        let path = copy.path().join("data");
        copy_all(&self.options.path, &path);
        let left = Engine::open(&StoreOptions { path, ..self.options.clone() }).unwrap();
        left.current().check_sum().unwrap();
        rows_of(&left) == self.rows
    }
}

fn put(table: u8, row: u32, round: u8) -> Change {
    Change { key: [&[table][..], &row.to_be_bytes()].concat(), value: Some(vec![round; 100]) }
}

fn removed(table: u8, row: u32) -> Change {
    Change { value: None, ..put(table, row, 0) }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn rows_of(engine: &Engine) -> Rows {
    let tables = [b'B', b'D', b'T'];
    let rows = tables.iter().flat_map(|table| engine.scan(&[*table], None, 1_000_000).unwrap());
    rows.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

#[test]
fn a_store_that_has_grown_goes_on_in_a_smaller_one_whatever_is_written_meanwhile() {
    let mut scene = Scene::set();
    scene.engine.note_time(Timestamp::from_millis(77)).unwrap();
    let (first, before) = (scene.folder(), scene.engine.current().octets_on_disk().unwrap());
    scene.rotation.step();
    let mut steps: u8 = 0;
    while scene.rotation.pause().is_some() {
        assert!(scene.survives(), "{steps}");
        // In front of what is copied, behind it, and in the midst of it.
        scene.write(vec![
            put(b'B', 7, steps),
            removed(b'B', u32::from(steps)),
            put(b'D', 500 + u32::from(steps), steps),
            removed(b'D', 199 - u32::from(steps)),
            put(b'T', 7, steps),
            removed(b'T', u32::from(steps)),
            put(b'D', 7, steps),
        ]);
        assert!(scene.survives(), "{steps}");
        scene.rotation.step();
        steps += 1;
    }
    assert!(steps > 10, "{steps}");
    let after = scene.engine.current().octets_on_disk().unwrap();
    assert!(scene.folder() != first && after < before, "{before} {after}");
    scene.rotation.retiring.take().unwrap().join().unwrap();
    assert!(!first.join("db").is_file(), "what no longer counts is gone");
    assert_eq!(scene.engine.time().unwrap(), Timestamp::from_millis(77));
    scene.write(vec![put(b'T', 1000, 1)]);
    assert!(scene.survives());
    assert_eq!(rows_of(&scene.engine), scene.rows);
}

#[test]
fn a_store_is_compacted_again_when_it_has_grown_again_and_not_before() {
    let mut scene = Scene::set();
    for round in 1..4 {
        scene.rotation.step();
        assert!(scene.rotation.pause().is_some(), "round {round}");
        while scene.rotation.pause().is_some() {
            scene.rotation.step();
        }
        scene.rotation.retiring.take().unwrap().join().unwrap();
        assert_eq!(scene.folder(), scene.options.path.join(format!("rows-{round}")));
        let names = fs::read_dir(&scene.options.path).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.count(), 2, "its folder, and which that is");
        scene.rotation.look_at = Some(now());
        scene.rotation.step();
        assert!(scene.rotation.pause().is_none(), "it is small");
        scene.grow();
        scene.rotation.look_at = Some(now());
    }
    assert!(scene.survives());
}

#[test]
fn a_copy_that_is_not_the_same_never_counts() {
    let mut scene = Scene::set();
    let key = put(b'B', 7, 0).key;
    scene.engine.current().alter(&key, b"altered");
    scene.rotation.step();
    while scene.rotation.pause().is_some() {
        scene.rotation.step();
    }
    assert_eq!(scene.folder(), scene.options.path);
    scene.rotation.retiring.take().unwrap().join().unwrap();
    assert!(!scene.options.path.join("rows-1").is_dir());
    assert!(scene.rotation.look_at.is_none(), "it would not be the same the next time either");
    scene.write(vec![put(b'B', 7, 9)]);
}

#[test]
fn a_store_without_the_folder_of_its_rows_is_no_empty_store() {
    let mut scene = Scene::set();
    scene.rotation.step();
    while scene.rotation.pause().is_some() {
        scene.rotation.step();
    }
    scene.rotation.retiring.take().unwrap().join().unwrap();
    let (path, folder) = (scene.options.path.clone(), scene.folder());
    let options = scene.options.clone();
    let home = scene.close();
    let aside = path.with_file_name("aside");
    fs::rename(&folder, &aside).unwrap();
    // As a start that was cut at the wrong moment might leave it.
    fs::create_dir(path.join("rows-7")).unwrap();
    let error = Engine::open(&options).unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    assert!(!folder.is_dir() && path.join("rows-7").is_dir(), "nothing was made and nothing removed");
    fs::rename(&aside, &folder).unwrap();
    assert!(Engine::open(&options).is_ok());
    drop(home);
}

#[test]
fn nothing_is_left_of_a_copy_that_was_being_made_at_the_stop() {
    let mut scene = Scene::set();
    scene.rotation.step();
    scene.rotation.step();
    assert!(scene.options.path.join("rows-1").is_dir());
    scene.rotation.stop();
    scene.rotation.retiring.take().unwrap().join().unwrap();
    assert!(!scene.options.path.join("rows-1").is_dir());
    assert!(scene.survives());
}
