//! Slaps in their lanes on a real disk: in order, due once, and gone with what they were part of.

use zeroize::Zeroizing;

use super::{
    super::{
        Commit, DueKind,
        transfer_tests::{at, options},
    },
    *,
};
use crate::{
    protocol::{NameId, Secret, SlapId},
    salmon::Descriptor,
};

pub(in crate::store) const LANE: LaneId = [0x1a; 16];
pub(in crate::store) const SLAP: SlapId = SlapId::from_bytes([0x51; 16]);

pub(in crate::store) fn name(nick: &str) -> String {
    format!("acct:{nick}@site.example")
}

pub(in crate::store) fn id(nick: &str) -> NameId {
    NameId::of(&name(nick))
}

pub(in crate::store) fn account(nick: &str) -> RelayRecord {
    let account = Account {
        name: name(nick),
        kind: if nick == "group" { AccountKind::Group } else { AccountKind::Person },
        uri: format!("https://site.example/{nick}"),
        profile: format!("https://site.example/{nick}"),
        feed: format!("https://site.example/{nick}.atom"),
        aliases: vec![format!("http://site.example/{nick}")],
        display_name: nick.to_uppercase(),
        callback: None,
        secret: None,
        mode: ForwardMode::Envelope,
        posts: Vec::new(),
        accept_unaddressed: false,
        blocked: Vec::new(),
        members: (nick == "group").then_some(Membership::Open),
        removed_at: None,
        life: Life::default(),
    };
    RelayRecord::AccountPut(id(nick), account)
}

/// The same with a secret.
fn signed(nick: &str) -> RelayRecord {
    let RelayRecord::AccountPut(id, account) = account(nick) else { unreachable!() };
    let secret = Some(Secret::new(b"k\xfey".to_vec()).unwrap());
    let callback = Some("http://127.0.0.1/salmon".to_owned());
    let life = Life { made_at: at(50), is_cleared: false };
    RelayRecord::AccountPut(id, Account { callback, secret, life, ..account })
}

fn key(nick: &str) -> RelayRecord {
    RelayRecord::AccountKeyPut(id(nick), KeyPair::new(Zeroizing::new(b"0\x82key".to_vec())))
}

fn waiting(account: NameId, lane: LaneId, seq: u64) -> RelayRecord {
    let slap = InboxSlap {
        envelope: format!("<me:env>{seq}</me:env>").into_bytes(),
        media_type: "application/magic-envelope+xml".to_owned(),
        signer: "acct:bob@peer.example".to_owned(),
        form: "padded".to_owned(),
        id: [0x1d; 16],
        received_at: at(100),
    };
    RelayRecord::InboxPut { account, lane, seq, slap }
}

fn doubt(account: NameId) -> Doubt {
    Doubt {
        account,
        lane: LANE,
        envelope: b"<me:env>?</me:env>".to_vec(),
        media_type: "application/magic-envelope+xml".to_owned(),
        from: "192.0.2.1".to_owned(),
        received_at: at(100),
        due_at: at(160),
        attempts: 1,
    }
}

fn outgoing(account: &str, slap: SlapId, targets: u16) -> RelayRecord {
    let row = OutgoingSlap {
        account: id(account),
        account_name: name(account),
        entry_id: "tag:site.example,2026:1".to_owned(),
        verb: "http://activitystrea.ms/schema/1.0/post".to_owned(),
        envelope: b"<me:env/>".to_vec(),
        created_at: at(200),
        targets,
    };
    RelayRecord::OutgoingPut(slap, row)
}

fn target(slap: SlapId, index: u16) -> RelayRecord {
    let tried =
        Try { at: at(210), status: Some(503), outcome: "status".to_owned(), form: "padded".to_owned() };
    let target = SlapTarget {
        to: "acct:bob@peer.example".to_owned(),
        lane: LANE,
        endpoint: Some("https://peer.example/salmon/1".to_owned()),
        state: TargetState::Queued,
        tries: vec![tried],
        same_as: None,
    };
    RelayRecord::TargetPut { slap, index, target }
}

/// Another name of the one before.
fn twin(slap: SlapId, index: u16) -> RelayRecord {
    let target = SlapTarget {
        to: "https://peer.example/bob".to_owned(),
        lane: LANE,
        endpoint: None,
        state: TargetState::Queued,
        tries: Vec::new(),
        same_as: Some(0),
    };
    RelayRecord::TargetPut { slap, index, target }
}

fn queued(lane: LaneId, seq: u64, slap: SlapId, index: u16) -> RelayRecord {
    RelayRecord::OutQueuePut { lane, seq, slap, index }
}

fn goes_on(due: u64) -> LaneState {
    LaneState {
        attempts: 2,
        since: Some(at(210)),
        last: Some("status".to_owned()),
        ..LaneState::due(at(due))
    }
}

/// At least one row of each of the relay's tables: alice has a key and a secret, the group has neither.
pub(in crate::store) fn everything() -> Vec<RelayRecord> {
    let (alice, group) = (id("alice"), id("group"));
    let descriptor = Descriptor::read(br#"{"subject":"acct:bob@peer.example"}"#).unwrap();
    let known = KnownDescriptor { descriptor, fetched_at: at(90), refreshed_at: None };
    let member = Member {
        subject: "acct:bob@peer.example".to_owned(),
        uri: "https://peer.example/bob".to_owned(),
        since: at(95),
    };
    let post = GroupPost {
        id: "tag:peer.example,2026:1".to_owned(),
        signer: "acct:bob@peer.example".to_owned(),
        entry: b"<entry/>".to_vec(),
        added_at: at(96),
    };
    vec![
        signed("alice"),
        key("alice"),
        account("group"),
        RelayRecord::DescriptorPut(NameId::of("acct:bob@peer.example"), known),
        RelayRecord::SlapSeen {
            account: alice,
            replay: [0x4e; 16],
            seen: Seen { at: at(100), for_good: true },
        },
        RelayRecord::SlapApplied { account: alice, of: [0x0b; 16], updated: at(99) },
        waiting(alice, LANE, 3),
        RelayRecord::LanePut { account: alice, lane: LANE, state: goes_on(300), was: None },
        RelayRecord::DoubtPut { id: [0xd0; 16], doubt: doubt(alice), was: None },
        outgoing("alice", SLAP, 2),
        target(SLAP, 0),
        twin(SLAP, 1),
        queued(LANE, 4, SLAP, 0),
        RelayRecord::OutLanePut { lane: LANE, state: goes_on(400), was: None },
        RelayRecord::MemberPut { group, id: NameId::of("acct:bob@peer.example"), member },
        RelayRecord::GroupPostPut { group, seq: 1, post },
    ]
}

fn open(home: &tempfile::TempDir) -> Store {
    Store::open(&options(&home.path().join("data"))).unwrap()
}

async fn commit(store: &Store, records: impl IntoIterator<Item = RelayRecord>) {
    store.commit(records.into_iter().map(Into::into).collect::<Commit>()).await.unwrap();
}

fn dues(store: &Store, kind: DueKind) -> Vec<crate::store::Due> {
    store.due(kind, at(10_000), 100).unwrap().0
}

#[tokio::test]
async fn what_waits_in_a_lane_is_in_order_and_apart_from_other_lanes() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let (alice, bob, other) = (id("alice"), id("bob"), [0x1b; 16]);
    assert_eq!(store.next_in_lane(alice, LANE).unwrap(), 1);
    // Past an octet, so that the order is that of numbers.
    let numbers = [256, 2, 255, 1, 65_536];
    commit(&store, numbers.map(|seq| waiting(alice, LANE, seq))).await;
    commit(&store, [waiting(alice, other, 70_000), waiting(bob, LANE, 80_000)]).await;
    let found = |limit| -> Vec<u64> {
        store.inbox(alice, LANE, limit).unwrap().into_iter().map(|(seq, _)| seq).collect()
    };
    assert_eq!(found(100), [1, 2, 255, 256, 65_536]);
    assert_eq!(found(2), [1, 2]);
    assert_eq!(store.inbox(alice, LANE, 1).unwrap()[0].1.envelope, b"<me:env>1</me:env>");
    assert_eq!(store.next_in_lane(alice, LANE).unwrap(), 65_537);
    assert_eq!(store.next_in_lane(alice, other).unwrap(), 70_001);
    assert_eq!(store.count_inbox().unwrap(), 7);
    commit(&store, [RelayRecord::InboxDone { account: alice, lane: LANE, seq: 1 }]).await;
    assert_eq!(found(1), [2]);
    assert_eq!(store.next_in_lane(alice, LANE).unwrap(), 65_537, "a place is not given twice");
}

#[tokio::test]
async fn a_queue_of_targets_is_in_order_too() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let other = SlapId::from_bytes([0x52; 16]);
    assert_eq!(store.next_in_out_lane(LANE).unwrap(), 1);
    commit(&store, [queued(LANE, 256, other, 0), queued(LANE, 9, SLAP, 3), queued([9; 16], 1, SLAP, 1)])
        .await;
    assert_eq!(store.out_queue(LANE, 10).unwrap(), [(9, (SLAP, 3)), (256, (other, 0))]);
    assert_eq!(store.next_in_out_lane(LANE).unwrap(), 257);
    assert_eq!(store.count_out_queue().unwrap(), 3);
    commit(&store, [RelayRecord::OutQueueDone { lane: LANE, seq: 9 }]).await;
    assert_eq!(store.out_queue(LANE, 10).unwrap(), [(256, (other, 0))]);
    // Posts of a group are numbered the same way.
    assert_eq!(store.next_group_post(id("group")).unwrap(), 1);
    commit(&store, everything()).await;
    assert_eq!(store.next_group_post(id("group")).unwrap(), 2);
    assert_eq!(store.group_posts(id("group"), 10).unwrap()[0].0, 1);
}

/// A number behind the last one there could be is the last one again, and no panic.
#[tokio::test]
async fn numbers_end_without_a_panic_and_a_key_that_is_none_is_no_number() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    commit(&store, [queued(LANE, u64::MAX, SLAP, 0)]).await;
    assert_eq!(store.next_in_out_lane(LANE).unwrap(), u64::MAX);
    let key = keys::of(Table::OutQueue, &[&[7; 16], b"short"]);
    store.kv.current().commit([crate::store::embedded::Change { key, value: Some(Vec::new()) }]).unwrap();
    assert!(matches!(store.next_in_out_lane([7; 16]), Err(StoreError::Damaged { table: "out-queue" })));
    assert!(store.out_queue([7; 16], 1).unwrap().is_empty());
}

#[tokio::test]
async fn a_lane_has_one_due_row_which_moves_and_goes_with_it() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let alice = id("alice");
    let inward = |due, was| RelayRecord::LanePut { account: alice, lane: LANE, state: goes_on(due), was };
    let outward = |due, was| RelayRecord::OutLanePut { lane: LANE, state: goes_on(due), was };
    let doubted = |due: u64, was| RelayRecord::DoubtPut {
        id: [1; 16],
        doubt: Doubt { due_at: at(due), ..doubt(alice) },
        was,
    };
    let kinds = [DueKind::Forward, DueKind::Slap, DueKind::Doubt];
    let due_at =
        |store: &Store| kinds.map(|kind| dues(store, kind).iter().map(|due| due.at).collect::<Vec<_>>());
    commit(&store, [inward(300, None), outward(300, None), doubted(300, None)]).await;
    // The same moment again must not take the new row with the old one.
    for (was, due) in [(300, 700), (700, 700), (700, 500)] {
        let was = Some(at(was));
        commit(&store, [inward(due, was), outward(due, was), doubted(due, was)]).await;
        assert_eq!(due_at(&store), [[at(due)]; 3].map(Vec::from));
    }
    assert_eq!(dues(&store, DueKind::Forward)[0].lane(), Some((alice, LANE)));
    assert_eq!(dues(&store, DueKind::Slap)[0].id(), Some(LANE));
    assert_eq!(dues(&store, DueKind::Doubt)[0].id(), Some([1; 16]));
    assert_eq!(store.lane(alice, LANE).unwrap(), Some(goes_on(500)));
    assert_eq!(store.out_lane(LANE).unwrap(), Some(goes_on(500)));
    assert_eq!(store.doubt([1; 16]).unwrap().unwrap().due_at, at(500));
    let was = at(500);
    let done = [
        RelayRecord::LaneDone { account: alice, lane: LANE, was },
        RelayRecord::OutLaneDone { lane: LANE, was },
        RelayRecord::DoubtDone { id: [1; 16], was },
    ];
    commit(&store, done).await;
    assert_eq!(due_at(&store), [const { Vec::new() }; 3]);
    assert_eq!((store.lane(alice, LANE).unwrap(), store.out_lane(LANE).unwrap()), (None, None));
    assert_eq!((store.doubt([1; 16]).unwrap(), store.count_doubts().unwrap()), (None, 0));
}

#[tokio::test]
async fn a_slap_takes_all_its_targets_and_nobody_elses() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    let other = SlapId::from_bytes([0x52; 16]);
    let many: Vec<_> = (0..300).map(|index| target(SLAP, index)).collect();
    commit(&store, many).await;
    commit(&store, [outgoing("alice", SLAP, 300), outgoing("alice", other, 1), target(other, 0)]).await;
    assert_eq!(store.targets(SLAP).unwrap().len(), 300);
    assert!(store.target(SLAP, 299).unwrap().is_some());
    commit(&store, [RelayRecord::OutgoingForgotten { slap: SLAP, targets: 300 }]).await;
    assert_eq!((store.outgoing(SLAP).unwrap(), store.targets(SLAP).unwrap()), (None, Vec::new()));
    assert!(store.outgoing(other).unwrap().is_some() && store.target(other, 0).unwrap().is_some());
    let left: Vec<_> = store.all_outgoing(None, 10).unwrap().into_iter().map(|(slap, _)| slap).collect();
    assert_eq!(left, [other]);
}

#[tokio::test]
async fn pages_go_on_behind_the_last_of_the_page_before() {
    let home = tempfile::tempdir().unwrap();
    let store = open(&home);
    commit(&store, ["a", "b", "c", "d", "e"].map(account)).await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.accounts(after, 2).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page.into_iter().map(|(id, _)| id));
    }
    let mut all = ["a", "b", "c", "d", "e"].map(id);
    all.sort_unstable();
    assert_eq!(found, all);
    let seen = |octet| RelayRecord::SlapSeen {
        account: id("a"),
        replay: [octet; 16],
        seen: Seen { at: at(1), for_good: false },
    };
    commit(&store, [seen(1), seen(2)]).await;
    let first = store.all_seen(None, 1).unwrap();
    assert_eq!(first[0].0, (id("a"), [1; 16]));
    assert_eq!(store.all_seen(Some(first[0].0), 10).unwrap()[0].0, (id("a"), [2; 16]));
    assert!(store.seen(id("b"), [1; 16]).unwrap().is_none(), "seen at one account is not seen at another");
}
