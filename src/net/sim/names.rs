//! Names of simulated hosts.

use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;

use super::world::World;
use crate::model::{NetError, NetErrorKind};
use crate::net::{Family, Names, NetFuture};

/// The names the scenario's rules make.
pub struct SimNames(pub Rc<World>);

impl Names for SimNames {
    fn addresses(&self, name: &str, family: Family) -> NetFuture<Vec<IpAddr>> {
        let wanted = |addr: &IpAddr| match family {
            Family::Any => true,
            Family::V4 => addr.is_ipv4(),
            Family::V6 => addr.is_ipv6(),
        };
        let found = self.0.addr(name).filter(wanted);
        let result = found.map(|addr| vec![addr]).ok_or_else(|| NetError::new(NetErrorKind::Resolve, "resolve", name));
        Box::pin(self.later(result))
    }

    fn reverse(&self, addr: IpAddr) -> NetFuture<Vec<String>> {
        Box::pin(self.later(Ok(self.0.name(addr).into_iter().collect())))
    }
}

impl SimNames {
    fn later<T>(&self, result: T) -> impl Future<Output = T> + use<T> {
        let lookup = self.0.look_up();
        async move {
            lookup.await;
            result
        }
    }
}
