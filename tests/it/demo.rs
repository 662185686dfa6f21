//! `hubbub demo`: the whole loop of OStatus in one command (design section 5). What it says is checked here; what it does
//! it checks itself.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::{Client, Program};

/// The steps of the story, in their order.
const STEPS: [&str; 6] = [
    "1. Two sites open, with a hub and its relay beside them",
    "2. Bob finds Alice, and follows her",
    "3. Alice posts, and her site pings the hub",
    "4. Bob replies, and favors the post",
    "5. Bob joins the Gardeners, and posts to them",
    "6. Bob unfollows Alice",
];

#[tokio::test]
async fn the_story_is_played_to_its_end_and_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let temporary = folder.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let environment = [("TMPDIR".to_owned(), temporary.to_str().unwrap().to_owned())];
    let ended = Program::start_in(folder.path(), &["demo"], &environment).result().await.expect(0);
    let told: Vec<_> = ended.stdout.lines().filter(|line| STEPS.contains(line)).collect();
    assert_eq!(told, STEPS, "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "colours are for terminals: {}", ended.stdout);
    assert!(ended.stdout.contains("the hub sends Bob's site, signed, just the new one"), "{}", ended.stdout);
    assert_eq!(ended.stderr, "", "the hub had nothing to complain of");
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "its folder is gone");
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing was written where it was started"
    );
}

#[tokio::test]
async fn kept_it_shows_its_pages_until_it_is_interrupted() {
    let folder = TempDir::new().unwrap();
    let mut demo = Program::start(folder.path(), &["demo", "--keep"]);
    let kept = demo.says("that it goes on running", |line| line.contains("until Ctrl-C"));
    assert!(kept.await, "it ended:\n{}{}", demo.stdout(), demo.stderr());
    let told = demo.stdout();
    let site = |name: &str| {
        let line = told.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().trim_end_matches('/').to_owned()
    };
    let client = Client::new();
    let (garden, harbour) = (site("the Garden"), site("the Harbour"));
    let pages = [
        (format!("{garden}/"), vec!["Alice", "Dora", "Gardeners"]),
        (format!("{garden}/alice"), vec!["Who wants tomatoes?", "<b>favorite</b> by acct:bob@", "I do!"]),
        (format!("{garden}/gardeners"), vec!["Members", "acct:bob@", "acct:dora@"]),
        (format!("{garden}/dora"), vec!["Reads Gardeners", "Who has spare trays?"]),
        (format!("{harbour}/bob"), vec!["Reads Alice (no longer)", "Who wants tomatoes?"]),
        (format!("{harbour}/carol"), vec!["Reads Alice", "The beans are next."]),
        (format!("{garden}/alice.atom"), vec!["rel=\"hub\"", "rel=\"salmon\"", "activity:verb"]),
    ];
    for (url, wanted) in pages {
        let page = client.get(&url).await.expect(200).text;
        for text in wanted {
            assert!(page.contains(text), "{text} is not on {url}:\n{page}");
        }
    }
    demo.signal(Signal::INT);
    assert_eq!(demo.ended().await.code(), Some(0), "{}", demo.stderr());
}

/// Whoever stops it early did not see that it works.
#[tokio::test]
async fn an_interrupted_story_is_a_failure() {
    let folder = TempDir::new().unwrap();
    let demo = Program::start(folder.path(), &["demo"]);
    assert!(demo.says("its first step", |line| line == STEPS[0]).await, "{}", demo.stderr());
    demo.signal(Signal::INT);
    let ended = demo.result().await;
    let said = ended.stderr.contains("interrupted before the end of the story");
    assert!(ended.code == Some(1) && said, "{ended:?}");
}
