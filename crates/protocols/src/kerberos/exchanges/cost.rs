//! What access costs, in messages (RFC 4120, section 1.5: the exchanges; each is a request and a reply).

/// AS exchange: once a day and user.
pub const FIRST_TICKET: u64 = 2;
/// TGS exchange: once a service.
pub const SERVICE_TICKET: u64 = 2;

/// AP exchange: each access.
pub const fn access(mutual: bool) -> u64 {
    if mutual { 2 } else { 1 }
}

/// The first access to a first service: 6 with mutual authentication.
pub const fn first_access(mutual: bool) -> u64 {
    FIRST_TICKET + SERVICE_TICKET + access(mutual)
}

/// The same when the key distribution centre must first ask for a proof (RFC 4120, section 3.1.3): 2 more.
pub const fn first_access_unproven(mutual: bool) -> u64 {
    2 + first_access(mutual)
}
