//! The way to the peers.

use std::{io, sync::Arc};

use deliver::{Connect, Place, Stream};
use dns::BoxFuture;
use testkit::disk::SeededRandom;

use crate::{peer, slips::Slips, wire::wire, world::World};

/// Leads to a scripted peer behind every address that the DNS names.
pub(crate) struct Network {
    pub(crate) world: Arc<World>,
    pub(crate) slips: Slips,
}

impl Connect for Network {
    fn connect<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let world = &self.world;
            self.slips.pass();
            let Place::Tcp(address) = place else { return Err(io::ErrorKind::NotFound.into()) };
            let host = address.ip().to_string();
            if world.weather.is_troubled(&host, world.clock.elapsed()) {
                return refuse(&world.chance()).await;
            }
            let (ours, theirs) = wire(world);
            tokio::spawn(peer::serve(Arc::clone(world), host, theirs));
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

/// A host that is down is silent, or its machine says that nobody listens.
async fn refuse<T>(random: &SeededRandom) -> io::Result<T> {
    if random.one_in(2) {
        return std::future::pending().await;
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}
