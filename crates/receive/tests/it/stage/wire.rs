//! How the clients of a dialogue reach the service: through memory, or through sockets on loopback.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use net::{Accepted, Admission, Shutdown};
use receive::{Entrance, Receiver};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpStream,
};

/// Connects a client with an address of its own.
pub(crate) trait Wire {
    type Stream: AsyncRead + AsyncWrite + Unpin;

    async fn connect(
        &mut self,
        receiver: &Receiver,
        entrance: Entrance,
        client: IpAddr,
        shutdown: &Shutdown,
    ) -> io::Result<Self::Stream>;
}

/// Through memory.
pub(crate) struct Memory;

impl Wire for Memory {
    type Stream = DuplexStream;

    async fn connect(
        &mut self,
        receiver: &Receiver,
        entrance: Entrance,
        client: IpAddr,
        shutdown: &Shutdown,
    ) -> io::Result<DuplexStream> {
        let (ours, stream) = duplex(16 * 1024);
        let (receiver, mut shutdown) = (receiver.clone(), shutdown.clone());
        tokio::spawn(async move {
            // A client that goes away in the middle is part of some dialogues.
            let _ = receiver.session(entrance, client, stream, &mut shutdown).await;
        });
        Ok(ours)
    }
}

/// Through a listener on loopback; the address that the dialogue gives a client is told beside the socket.
#[derive(Default)]
pub(crate) struct Sockets {
    listening: Option<SocketAddr>,
    clients: Arc<Mutex<VecDeque<IpAddr>>>,
}

impl Sockets {
    fn listen(&self, receiver: &Receiver, entrance: &Entrance, shutdown: &Shutdown) -> SocketAddr {
        let bound = net::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap().remove(0);
        let address = bound.address();
        let (receiver, until, clients) = (receiver.clone(), shutdown.clone(), Arc::clone(&self.clients));
        let entrance = entrance.clone();
        let session = move |accepted: Accepted| {
            let (receiver, mut until, entrance) = (receiver.clone(), until.clone(), entrance.clone());
            let client = clients.lock().unwrap().pop_front().unwrap();
            async move {
                let _ = receiver.session(entrance, client, accepted.stream, &mut until).await;
            }
        };
        let (admission, drain) =
            (Admission::new(99, net::ClientLimits::of_sessions(99)), Duration::from_mins(1));
        tokio::spawn(bound.serve(admission, shutdown.clone(), drain, session, |_| Vec::new()));
        address
    }
}

impl Wire for Sockets {
    type Stream = TcpStream;

    async fn connect(
        &mut self,
        receiver: &Receiver,
        entrance: Entrance,
        client: IpAddr,
        shutdown: &Shutdown,
    ) -> io::Result<TcpStream> {
        let listening = self.listening.unwrap_or_else(|| self.listen(receiver, &entrance, shutdown));
        self.listening = Some(listening);
        self.clients.lock().unwrap().push_back(client);
        TcpStream::connect(listening).await
    }
}
