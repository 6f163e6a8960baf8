//! Who this process is while it runs: the user who called sudo rather than root, without capabilities it does not need.

use crate::cli::PrivilegeSettings;
use crate::error::Error;
use crate::net::live::privileges::{become_user, hold_back, is_root};

/// Gives up what is not needed. Runs before anything is read and before any other thread exists.
pub fn settle(settings: PrivilegeSettings) -> Result<(), Error> {
    let user = sudo_user().filter(|_| !settings.keep_root && is_root());
    if let Some((uid, gid)) = user {
        become_user(uid, gid).map_err(|error| {
            Error::Privilege(format!("cannot become user {uid}, who called sudo: {error}; --keep-root stays root"))
        })?;
    }
    hold_back(settings.forbidden).map_err(|error| Error::Privilege(format!("cannot give up CAP_NET_RAW: {error}")))
}

/// Numbers of the user and group that sudo was called by; none if that was root, or not sudo.
fn sudo_user() -> Option<(u32, u32)> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    Some((number("SUDO_UID")?, number("SUDO_GID")?)).filter(|(uid, _)| *uid != 0)
}
