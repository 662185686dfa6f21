//! The sink: all subscribers in one lean process. It echoes challenges, counts deliveries, checks signatures, and
//! misbehaves where it was told to.
//!
//! The first line printed has the addresses; what is asked on the address for [`control`] is apart from the deliveries.

mod control;
mod subscribers;
mod tally;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    habit::{ByHabit, Habit, Shares},
    process::{own_lines, say},
    tls,
};

pub(crate) use control::{Told, Wanted};
use subscribers::Subscribers;
pub(crate) use tally::Count;

/// The publication that stands for the verifications.
pub(crate) const VERIFICATIONS: u32 = 0;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Loopback addresses to listen on, for each way to behave: 127.0.0.1 and up for the healthy
    #[arg(long, default_value_t = 1)]
    pub(crate) addresses: u8,
    #[arg(long)]
    pub(crate) subscribers: u32,
    /// Those below this number are healthy
    #[arg(long)]
    pub(crate) steady: u32,
    #[command(flatten)]
    pub(crate) shares: Shares,
    /// Octets of a delivery that holds one publication
    #[arg(long)]
    pub(crate) body_bytes: usize,
    /// Check the signature at every so manieth subscriber, other ones in each publication; 1 checks all, 0 none
    #[arg(long)]
    pub(crate) check_every: u32,
    /// Speak TLS
    #[arg(long)]
    pub(crate) https: bool,
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) addresses: ByHabit<Vec<SocketAddr>>,
    pub(crate) control: SocketAddr,
    /// What to trust, in base64, if it speaks TLS.
    pub(crate) certificate: Option<String>,
}

/// Runs until standard input ends.
pub(crate) async fn serve(options: Options) -> Result<()> {
    let mut listeners: Vec<(Habit, TcpListener)> = Vec::new();
    let mut addresses: ByHabit<Vec<SocketAddr>> = ByHabit::default();
    for habit in Habit::ALL {
        let is_apart = habit == Habit::Refusing || !options.shares.mixed;
        let is_needed = habit == Habit::Healthy || options.shares.sum() > 0;
        if is_apart && is_needed {
            for last in 1..=options.addresses {
                let listener = listen(habit.network(), last).await?;
                addresses.get_mut(habit).push(listener.local_addr()?);
                listeners.push((habit, listener));
            }
        } else {
            let shared = addresses.get_mut(Habit::Healthy).clone();
            *addresses.get_mut(habit) = shared;
        }
    }
    let control = listen(0, 1).await?;
    let certificate = options.https.then(|| tls::certificate(addresses.hosts())).transpose()?;
    let acceptor = certificate.as_ref().map(tls::acceptor).transpose()?;
    let listening = Listening {
        addresses,
        control: control.local_addr()?,
        certificate: certificate.map(|certificate| STANDARD.encode(certificate.cert.der())),
    };
    let subscribers = Arc::new(Subscribers::new(options));
    let mut tasks = JoinSet::new();
    let (accepted, mut connections) = mpsc::channel(256);
    for (habit, listener) in listeners {
        tasks.spawn(accept(habit, listener, accepted.clone(), Arc::clone(&subscribers)));
    }
    tasks.spawn(control::serve(control, Arc::clone(&subscribers)));
    let mut lines = own_lines();
    say(&listening)?;
    loop {
        tokio::select! {
            line = lines.recv() => if line.is_none() { return Ok(()) },
            Some((habit, stream)) = connections.recv() => {
                let (subscribers, acceptor) = (Arc::clone(&subscribers), acceptor.clone());
                tasks.spawn(async move { drop(connection(habit, subscribers, stream, acceptor).await) });
            }
            // What has ended is taken out, so that it is not kept for ever.
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn listen(third: u8, last: u8) -> Result<TcpListener> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, third, last)), 0);
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
}

/// Takes connections until the address refuses them.
async fn accept(
    habit: Habit,
    listener: TcpListener,
    accepted: mpsc::Sender<(Habit, TcpStream)>,
    subscribers: Arc<Subscribers>,
) {
    loop {
        tokio::select! {
            () = subscribers.refused(habit) => return,
            stream = listener.accept() => {
                let Ok((stream, _)) = stream else { return };
                if accepted.send((habit, stream)).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn connection(
    habit: Habit,
    subscribers: Arc<Subscribers>,
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
) -> Result<()> {
    stream.set_nodelay(true)?;
    subscribers.count_connection();
    let served = async {
        match acceptor {
            None => serve_on(stream, Arc::clone(&subscribers)).await,
            Some(acceptor) => {
                let stream = acceptor.accept(stream).await?;
                subscribers.count_handshake(stream.get_ref().1.handshake_kind());
                serve_on(stream, Arc::clone(&subscribers)).await
            }
        }
    };
    if habit != Habit::Refusing {
        return served.await;
    }
    tokio::select! {
        () = subscribers.refused(habit) => Ok(()),
        served = served => served,
    }
}

async fn serve_on(stream: impl AsyncRead + AsyncWrite + Unpin, subscribers: Arc<Subscribers>) -> Result<()> {
    let service = service_fn(move |request| {
        let subscribers = Arc::clone(&subscribers);
        async move { subscribers.answer(request).await }
    });
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}
