//! Which addresses are the hub's own: a hub that calls itself answers itself, without end and for anybody who asks (X02).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The listeners of this process. Nothing is sent to them, whatever is allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OwnListeners(Vec<SocketAddr>);

impl OwnListeners {
    /// As they were bound: with the ports that they really have.
    pub(super) fn new(bound: &[SocketAddr]) -> Self {
        Self(bound.iter().map(|at| SocketAddr::new(at.ip().to_canonical(), at.port())).collect())
    }

    /// The ports on which one of them listens, whatever its address.
    pub(super) fn ports(&self) -> impl Iterator<Item = u16> {
        self.0.iter().map(SocketAddr::port)
    }

    /// Whether a connection to this address, as what it really reaches, would be one to ourselves.
    pub(super) fn have(&self, reached: SocketAddr) -> bool {
        let ip = reached.ip();
        self.0.iter().filter(|own| own.port() == reached.port()).any(|own| {
            // Who connects to no address in particular is connected to loopback.
            own.ip() == ip || ip.is_unspecified() || own.ip().is_unspecified() && is_of_this_machine(ip)
        })
    }
}

/// Whether the address is one of this machine's. The system is asked each time, because interfaces come and go, and it is
/// asked by way of a socket that sends nothing: from what it would send to itself, it sends from the very address it
/// sends to.
fn is_of_this_machine(ip: IpAddr) -> bool {
    if ip.is_loopback() {
        return true;
    }
    let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Without a socket to ask with, out of files mostly, it had better be ours.
    let Ok(socket) = UdpSocket::bind((any, 0)) else { return true };
    // The port means nothing: nobody is spoken to.
    let source = socket.connect((ip, 9)).and_then(|()| socket.local_addr());
    source.is_ok_and(|source| source.ip() == ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn x02_a_listener_on_one_address_is_that_address_and_port() {
        let own = OwnListeners::new(&[at("127.0.0.1:8080"), at("[::ffff:192.0.2.7]:8081")]);
        for ours in ["127.0.0.1:8080", "0.0.0.0:8080", "[::]:8080", "192.0.2.7:8081"] {
            assert!(own.have(at(ours)), "{ours}");
        }
        for other in ["127.0.0.1:8082", "127.0.0.2:8080", "[::1]:8080", "192.0.2.7:8080", "192.0.2.8:8081"] {
            assert!(!own.have(at(other)), "{other}");
        }
        assert_eq!(own.ports().collect::<Vec<_>>(), [8080, 8081]);
    }

    #[test]
    fn x02_a_listener_on_every_address_is_every_address_of_the_machine() {
        for every in ["0.0.0.0:8080", "[::]:8080"] {
            let own = OwnListeners::new(&[at(every)]);
            for ours in ["127.0.0.1:8080", "127.8.8.8:8080", "[::1]:8080", "0.0.0.0:8080"] {
                assert!(own.have(at(ours)), "{every}: {ours}");
            }
            for other in ["127.0.0.1:80", "192.0.2.1:8080", "203.0.113.255:8080", "[2001:db8::1]:8080"] {
                assert!(!own.have(at(other)), "{every}: {other}");
            }
        }
    }

    /// The address from which the machine would speak to another one, if it has a way there.
    #[test]
    fn an_address_of_an_interface_is_of_this_machine() {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        if socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).is_ok() {
            let outer = socket.local_addr().unwrap().ip();
            assert!(is_of_this_machine(outer), "{outer}");
        }
    }
}
