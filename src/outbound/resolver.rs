//! Names to addresses, judged on the way (X01).
//!
//! The system is asked once per connection, and the connection goes to an address of that answer: a name that changes
//! its mind between the judgement and the connection gains nothing by it.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    pin::Pin,
    sync::Arc,
};

use tokio::sync::Semaphore;

use super::{
    guard::Guard,
    transport::{Purpose, SendError},
};

/// Addresses of one answer that are tried; a name with thousands must not make us try thousands.
const ADDRESSES: usize = 8;

/// A look-up under way.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Where addresses come from, before any judgement.
pub trait Resolve: Send + Sync + fmt::Debug {
    fn resolve(&self, name: &str) -> Resolving;
}

impl<R: Resolve + ?Sized> Resolve for Arc<R> {
    fn resolve(&self, name: &str) -> Resolving {
        (**self).resolve(name)
    }
}

/// The operating system's resolver: hosts file, search list and all. It blocks a thread for each look-up, for as long as a
/// hostile name server likes, and nobody can stop it; so there is a bound on them, and the rest of the runtime's 512 blocking
/// threads are for others.
#[derive(Debug)]
pub struct SystemResolver(Arc<Semaphore>);

impl SystemResolver {
    pub fn new(lookups: usize) -> Self {
        Self(Arc::new(Semaphore::new(lookups)))
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let (lookups, name) = (Arc::clone(&self.0), name.to_owned());
        Box::pin(async move {
            let permit = lookups.acquire_owned().await.map_err(io::Error::other)?;
            // Not tokio's own look-up: the permit has to stay with the thread, which outlives a caller that gave up.
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(permit);
                found.map(|addresses| addresses.map(|address| address.ip()).collect())
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}

/// A resolver that gives out only what the guard allows for one purpose.
#[derive(Debug, Clone)]
pub struct JudgedResolver {
    resolve: Arc<dyn Resolve>,
    guard: Arc<Guard>,
    purpose: Purpose,
}

/// The same for connections to one port, which is how a client that does not say it has to ask. Port 0 stands for all on
/// which we do not listen ourselves.
#[derive(Debug, Clone)]
pub(super) struct AtPort(pub(super) JudgedResolver, pub(super) u16);

impl JudgedResolver {
    pub fn new(resolve: Arc<dyn Resolve>, guard: Arc<Guard>, purpose: Purpose) -> Self {
        Self { resolve, guard, purpose }
    }

    /// At least one address, all of them allowed for a connection to this port, in the order of the answer.
    ///
    /// # Errors
    /// [`SendError::Resolve`] if there is no answer, [`SendError::Refused`] if nothing in it is allowed.
    pub async fn addresses(&self, name: &str, port: u16) -> Result<Vec<IpAddr>, SendError> {
        let Ok(found) = self.resolve.resolve(name).await else { return Err(SendError::Resolve) };
        let mut refused = None;
        let mut allowed = Vec::new();
        for ip in found {
            match self.guard.judge_address(SocketAddr::new(ip, port), self.purpose) {
                Ok(()) if allowed.len() < ADDRESSES && !allowed.contains(&ip) => allowed.push(ip),
                Ok(()) => {}
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            _ if !allowed.is_empty() => Ok(allowed),
            Some(refusal) => Err(SendError::Refused(refusal)),
            None => Err(SendError::Resolve),
        }
    }
}

/// reqwest asks this for names only; literal hosts never get here, so the fetch client has judged them before.
impl reqwest::dns::Resolve for AtPort {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let Self(resolver, port) = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str(), port).await?;
            // Port 0 stands for the port of the URL.
            let addresses: reqwest::dns::Addrs =
                Box::new(addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::outbound::{GuardRules, RangeName, Refusal};

    /// Answers every name with the same addresses.
    #[derive(Debug)]
    pub(in crate::outbound) struct Always(pub(in crate::outbound) Vec<IpAddr>);

    impl Resolve for Always {
        fn resolve(&self, _name: &str) -> Resolving {
            let found = self.0.clone();
            Box::pin(async move { Ok(found) })
        }
    }

    async fn judged(answer: &[&str], allow: &[&str]) -> Result<Vec<IpAddr>, SendError> {
        let answer = answer.iter().map(|ip| ip.parse().unwrap()).collect();
        let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
        let guard = Guard::new(GuardRules { allow, ..GuardRules::default() });
        JudgedResolver::new(Arc::new(Always(answer)), Arc::new(guard), Purpose::Fetch)
            .addresses("name.example", 80)
            .await
    }

    #[tokio::test]
    async fn only_the_allowed_addresses_of_an_answer_are_given_out() {
        let found = judged(&["10.0.0.1", "1.1.1.1", "::1", "1.1.1.1", "1.0.0.1"], &[]).await;
        assert_eq!(found, Ok(vec!["1.1.1.1".parse().unwrap(), "1.0.0.1".parse().unwrap()]));
        assert_eq!(judged(&["10.0.0.1"], &["10.0.0.0/8"]).await, Ok(vec!["10.0.0.1".parse().unwrap()]));
    }

    #[tokio::test]
    async fn an_answer_of_forbidden_addresses_is_a_refusal_and_an_empty_one_is_not() {
        let refused = Refusal::Address(RangeName::Private);
        assert_eq!(judged(&["10.0.0.1", "::1"], &[]).await, Err(SendError::Refused(refused)));
        assert_eq!(judged(&[], &[]).await, Err(SendError::Resolve));
    }

    #[tokio::test]
    async fn a_name_with_a_thousand_addresses_gives_a_few() {
        let many: Vec<String> = (0..1000).map(|n| format!("1.1.{}.{}", n / 256, n % 256)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(judged(&many, &[]).await.unwrap().len(), ADDRESSES);
    }

    #[tokio::test]
    async fn the_system_resolver_knows_localhost() {
        let found = SystemResolver::new(1).resolve("localhost").await.unwrap();
        assert!(found.iter().all(IpAddr::is_loopback) && !found.is_empty(), "{found:?}");
    }
}
