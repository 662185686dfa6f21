//! The commands besides `serve`: configuration, and a publisher and a subscriber for the shell (design section 5).

use tempfile::TempDir;

use crate::harness::{Page, Program, Stage};

/// What `serve`, `config` and their like say of an argument that they cannot use.
const UNUSABLE: i32 = 2;

#[tokio::test]
async fn the_printed_defaults_are_a_valid_configuration() {
    let folder = TempDir::new().unwrap();
    let defaults = Program::run(folder.path(), &["config", "default"]).await.expect(0);
    for section in ["[server]", "[lease]", "[delivery]", "[network]", "[limits]"] {
        assert!(defaults.stdout.contains(section), "{section} is missing in\n{}", defaults.stdout);
    }
    std::fs::write(folder.path().join("hub.toml"), &defaults.stdout).unwrap();
    Program::run(folder.path(), &["config", "check", "hub.toml"]).await.expect(0);
}

/// The fault, where it is, and nothing started (exit code 2).
#[tokio::test]
async fn a_bad_configuration_is_refused_by_file_line_and_key() {
    let folder = TempDir::new().unwrap();
    let cases = [
        ("[delivery]\ntimeout = \"5s\"\n\npatients = \"1s\"\n", "patients", Some(4)),
        ("[deliverance]\ntimeout = \"5s\"\n", "deliverance", Some(1)),
        ("[lease]\n\nmin = \"soon\"\n", "min", Some(3)),
        ("[fetch]\nlook_again = \"5s\"\n", "look_again", Some(2)),
        ("[lease]\nmin = \"2d\"\nmax = \"1d\"\n", "lease", None),
        ("[delivery]\ntimeout = 5s\n", "bad.toml", Some(2)),
    ];
    for (text, key, line) in cases {
        std::fs::write(folder.path().join("bad.toml"), text).unwrap();
        let data = folder.path().join("data");
        let serve =
            ["serve", "--config", "bad.toml", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        for arguments in [&["config", "check", "bad.toml"][..], &serve[..]] {
            let ended = Program::run(folder.path(), arguments).await.expect(UNUSABLE);
            assert!(ended.stderr.contains("bad.toml"), "the file: {ended:?}");
            assert!(ended.stderr.contains(key), "the key {key}: {ended:?}");
            let names_line = line.is_none_or(|line: u32| ended.stderr.contains(&format!("bad.toml:{line}:")));
            assert!(names_line, "line {line:?}: {ended:?}");
        }
        assert!(!data.try_exists().unwrap(), "nothing was started");
    }
}

#[tokio::test]
async fn unusable_arguments_end_with_2() {
    let folder = TempDir::new().unwrap();
    let table: [&[&str]; 9] = [
        &["serve", "--listen", "nowhere"],
        &["serve", "--allow-net", "127.0.0.0/99"],
        &["serve", "--config", "no-such-file.toml"],
        &["serve", "--no-such-flag"],
        &["no-such-command"],
        &["config", "check"],
        &["config", "check", "no-such-file.toml"],
        &["publish"],
        &["subscribe", "--hub", "http://h.example/", "--listen", "nowhere", "http://t.example/"],
    ];
    for arguments in table {
        let ended = Program::run(folder.path(), arguments).await;
        assert_eq!(ended.code, Some(UNUSABLE), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
    let help = Program::run(folder.path(), &["--help"]).await.expect(0);
    for command in ["serve", "publish", "subscribe", "unsubscribe", "config"] {
        assert!(help.stdout.contains(command), "{help:?}");
    }
}

#[tokio::test]
async fn publish_pings_the_hub() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    stage.subscribe_03(&topic, &callback).await;
    topic.put(Page::of("text/plain", "news"));
    let publish = ["publish", "--hub", stage.hub.url(), &topic.url()];
    Program::run(stage.hub.home(), &publish).await.expect(0);
    assert_eq!(callback.delivered(1).await[0].body, "news");

    // A hub that says no, and one that is not there, are failures.
    let refused = ["publish", "--hub", stage.hub.url(), "http://topic.example/#fragment"];
    assert_ne!(Program::run(stage.hub.home(), &refused).await.code, Some(0));
    let nobody = ["publish", "--hub", "http://127.0.0.1:1/", &topic.url()];
    assert_ne!(Program::run(stage.hub.home(), &nobody).await.code, Some(0));
}

/// A subscriber for the shell: it answers the verification by itself and prints what is delivered.
#[tokio::test]
async fn subscribe_prints_what_is_delivered() {
    let stage = Stage::set().await;
    let (topic, witness) = (stage.publisher.topic("/text"), stage.subscriber.callback("/witness"));
    stage.subscribe_03(&topic, &witness).await;
    let arguments = ["subscribe", "--hub", stage.hub.url(), "--listen", "127.0.0.1:0", &topic.url()];
    let listener = Program::start(stage.hub.home(), &arguments);
    // Nothing fixed says when it is subscribed, so there is news until some of it is printed.
    let publishing = async {
        for version in 1_usize.. {
            topic.put(Page::of("text/plain", format!("<news {version}>")));
            stage.ping(&topic).await;
            witness.delivered(version).await;
        }
    };
    tokio::select! {
        () = publishing => {}
        said = listener.says("a delivery on its standard output", |line| line.contains("<news ")) => {
            assert!(said, "it ended:\n{}", listener.stderr());
        }
    }
}

#[tokio::test]
async fn unsubscribe_leaves() {
    let stage = Stage::set().await;
    let (topic, callback) = (stage.publisher.topic("/text"), stage.subscriber.callback("/cb"));
    stage.subscribe_03(&topic, &callback).await;
    let leave = ["unsubscribe", "--hub", stage.hub.url(), "--callback", &callback.url(), &topic.url()];
    Program::run(stage.hub.home(), &leave).await.expect(0);
    callback.confirmed(2).await;
    assert_eq!(callback.verification(2).await.mode(), "unsubscribe");
    let witness = stage.fence(&topic).await;
    topic.put(Page::of("text/plain", "news"));
    stage.ping(&topic).await;
    witness.delivered(1).await;
    topic.put(Page::of("text/plain", "more news"));
    stage.ping(&topic).await;
    witness.delivered(2).await;
    assert!(callback.attempts().is_empty());
}
