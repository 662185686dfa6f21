//! Who has a place among the connections, and who gives one up when all are taken. Pure, but for the lock.
//!
//! A bound alone lets one client hold every place for as long as it likes. So when all are taken, whoever comes gets the
//! place of the client that has the most of them: an idle one if there is one. A client is an address, or the /64 that
//! one customer of IPv6 has. Behind a trusted proxy there are many, and who they are is not known before a head is read: its
//! connections are nobody's crowd, and may be all there are.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::client_ip::rate_key;

/// Connected, and its first request has not come to the end of its head.
const FRESH: u8 = 0;
/// A request is being answered.
const ASKING: u8 = 1;
/// It was answered, and the connection kept.
const KEPT: u8 = 2;

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    trusted_proxies: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Of each client, the oldest first; under `None` those of trusted proxies.
    by_client: HashMap<Option<IpAddr>, Vec<Arc<Place>>>,
    count: usize,
    is_full: bool,
}

#[derive(Debug)]
struct Place {
    state: AtomicU8,
    leave: CancellationToken,
}

impl Place {
    fn is(&self, states: &[u8]) -> bool {
        states.contains(&self.state.load(Ordering::Relaxed))
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    client: Option<IpAddr>,
    place: Arc<Place>,
}

/// What became of somebody who came.
#[derive(Debug)]
pub(super) enum Admission {
    Seated(Seat),
    /// Nobody has more places than this client has, or none that it could give up.
    Full,
}

impl Seats {
    pub(super) fn new(most: usize, trusted_proxies: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { most, trusted_proxies, taken: Mutex::default() })
    }

    /// Finds a place for a connection from this address. Says too whether it is news that all are taken.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> (Admission, bool) {
        let peer = peer.ip().to_canonical();
        let is_proxy = self.trusted_proxies.iter().any(|net| net.contains(&peer));
        let client = (!is_proxy).then(|| rate_key(peer));
        let mut taken = self.lock();
        let mut is_news = false;
        if taken.count >= self.most {
            is_news = !taken.is_full;
            taken.is_full = true;
            if !taken.make_room(client) {
                return (Admission::Full, is_news);
            }
        }
        let place = Arc::new(Place { state: AtomicU8::new(FRESH), leave: CancellationToken::new() });
        taken.by_client.entry(client).or_default().push(Arc::clone(&place));
        taken.count = taken.count.saturating_add(1);
        (Admission::Seated(Seat { seats: Arc::clone(self), client, place }), is_news)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Takes a place from whoever has the most. From a client that nobody outdoes, and from the proxies, it takes only a
    /// connection that was kept for another request, since all of a site may come through one proxy, which keeps some.
    fn make_room(&mut self, newcomer: Option<IpAddr>) -> bool {
        let own = self.by_client.get(&newcomer);
        // Who comes through a proxy may be somebody who has none.
        let has = own.filter(|_| newcomer.is_some()).map_or(0, Vec::len);
        let direct = self.by_client.iter().filter(|(client, _)| client.is_some());
        let greediest = direct.max_by_key(|(_, places)| places.len());
        let leaves = match greediest.filter(|(_, places)| places.len() > has) {
            Some((client, places)) => {
                let idle = places.iter().find(|place| place.is(&[FRESH, KEPT]));
                (*client, idle.or_else(|| places.first()))
            }
            None => (newcomer, own.and_then(|own| own.iter().find(|place| place.is(&[KEPT])))),
        };
        let (client, Some(place)) = leaves else { return false };
        let place = Arc::clone(place);
        place.leave.cancel();
        self.remove(client, &place);
        true
    }

    /// Once: who was sent away is no longer here when its connection ends.
    fn remove(&mut self, client: Option<IpAddr>, place: &Arc<Place>) {
        let Some(places) = self.by_client.get_mut(&client) else { return };
        if let Some(index) = places.iter().position(|other| Arc::ptr_eq(other, place)) {
            places.remove(index);
            self.count = self.count.saturating_sub(1);
        }
        if places.is_empty() {
            self.by_client.remove(&client);
        }
    }
}

impl Seat {
    /// Resolves when the place is given to somebody else.
    pub(super) async fn taken_away(&self) {
        self.place.leave.cancelled().await;
    }

    /// What knows of the requests on this connection.
    pub(super) fn state(&self) -> Asking {
        Asking(Arc::clone(&self.place))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.remove(self.client, &self.place);
        // Not at the first place that is free again: else each newcomer would make news of it.
        if taken.count <= self.seats.most / 2 {
            taken.is_full = false;
        }
    }
}

/// Tells whether a connection is in the middle of something.
#[derive(Debug, Clone)]
pub(super) struct Asking(Arc<Place>);

impl Asking {
    pub(super) fn begins(&self) {
        self.0.state.store(ASKING, Ordering::Relaxed);
    }

    pub(super) fn ends(&self) {
        self.0.state.store(KEPT, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(seats: &Arc<Seats>, from: &str) -> Option<Seat> {
        let peer = SocketAddr::new(from.parse().unwrap(), 4711);
        match seats.admit(peer).0 {
            Admission::Seated(seat) => Some(seat),
            Admission::Full => None,
        }
    }

    fn is_gone(seat: &Seat) -> bool {
        seat.place.leave.is_cancelled()
    }

    #[test]
    fn a_newcomer_gets_the_place_of_whoever_has_the_most() {
        let seats = Seats::new(4, Vec::new());
        let greedy: Vec<_> = (0..3).map(|_| come(&seats, "192.0.2.1").unwrap()).collect();
        let modest = come(&seats, "192.0.2.2").unwrap();
        greedy[0].state().begins();
        let newcomer = come(&seats, "192.0.2.3").unwrap();
        assert_eq!(
            greedy.iter().map(is_gone).collect::<Vec<_>>(),
            [false, true, false],
            "an idle one, the oldest"
        );
        let second = come(&seats, "192.0.2.3").unwrap();
        assert!(is_gone(&greedy[2]) && !is_gone(&modest));
        assert!(come(&seats, "192.0.2.3").is_none(), "now it is the one that has the most");
        drop((greedy, modest, newcomer, second));
        let taken = seats.lock();
        assert_eq!((taken.count, taken.by_client.len()), (0, 0));
    }

    #[test]
    fn one_that_is_being_answered_goes_where_there_is_no_other() {
        let seats = Seats::new(2, Vec::new());
        let greedy: Vec<_> = (0..2).map(|_| come(&seats, "192.0.2.1").unwrap()).collect();
        for seat in &greedy {
            seat.state().begins();
        }
        assert!(come(&seats, "192.0.2.1").is_none(), "its own stay");
        let newcomer = come(&seats, "192.0.2.2");
        assert!(newcomer.is_some() && is_gone(&greedy[0]) && !is_gone(&greedy[1]));
    }

    #[test]
    fn a_lone_proxy_gives_up_what_it_keeps_and_nothing_else() {
        let seats = Seats::new(2, Vec::new());
        let pair: Vec<_> = (0..2).map(|_| come(&seats, "10.0.0.1").unwrap()).collect();
        assert!(come(&seats, "10.0.0.1").is_none());
        pair[1].state().begins();
        pair[1].state().ends();
        assert!(come(&seats, "10.0.0.1").is_some());
        assert!(is_gone(&pair[1]) && !is_gone(&pair[0]));
    }

    #[test]
    fn what_comes_through_a_trusted_proxy_is_nobodys_crowd_and_may_take_every_place() {
        let seats = Seats::new(4, vec!["10.0.0.0/8".parse().unwrap()]);
        let through: Vec<_> = (0..3).map(|_| come(&seats, "::ffff:10.0.0.1").unwrap()).collect();
        let direct = come(&seats, "192.0.2.1").unwrap();
        let newcomer = come(&seats, "192.0.2.2").unwrap();
        assert!(is_gone(&direct) && !through.iter().any(is_gone), "the proxy has the most");
        let last = come(&seats, "10.0.0.2").unwrap();
        assert!(is_gone(&newcomer) && !through.iter().any(is_gone));
        assert!(come(&seats, "192.0.2.2").is_none() && come(&seats, "10.0.0.1").is_none());
        last.state().begins();
        last.state().ends();
        assert!(come(&seats, "10.0.0.1").is_some() && is_gone(&last), "what a proxy keeps it gives up");
    }

    #[test]
    fn a_customer_of_ipv6_is_one_client_and_ipv4_is_itself_in_both_spellings() {
        let seats = Seats::new(3, Vec::new());
        let one = come(&seats, "2001:db8:1:2::1").unwrap();
        let two = come(&seats, "2001:db8:1:2:ffff::1").unwrap();
        let four = come(&seats, "::ffff:192.0.2.1").unwrap();
        assert_eq!(seats.lock().by_client.len(), 2);
        let newcomer = come(&seats, "192.0.2.1");
        assert!(newcomer.is_some() && is_gone(&one) && !is_gone(&two) && !is_gone(&four));
    }

    #[test]
    fn that_all_are_taken_is_news_once() {
        let seats = Seats::new(1, Vec::new());
        let peer = |last| SocketAddr::from(([192, 0, 2, last], 1));
        let (first, news) = seats.admit(peer(1));
        assert!(!news);
        assert!(seats.admit(peer(1)).1);
        assert!(!seats.admit(peer(1)).1);
        drop(first);
        let again = seats.admit(peer(1));
        assert!(!again.1 && seats.admit(peer(1)).1);
    }
}
