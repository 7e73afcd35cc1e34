//! Who may connect.

use chrono::{DateTime, TimeDelta, Utc};
use store::{Session, Socket, SocketId, Ticket};

/// How long a ticket is good for.
pub const TICKET_LIFETIME: TimeDelta = TimeDelta::minutes(1);

/// How long API Gateway keeps a connection at the most, and a little more.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(125);

/// How many connections a user may have. A browser has one a tab; what has more leaks them, or means us ill: every change is posted to each.
pub const LIMIT: usize = 20;

/// Those of a user's connections that have to go: the oldest, beyond [`LIMIT`], and never the `newest`, which may be of the same second as others.
pub fn surplus(mut sockets: Vec<Socket>, newest: &SocketId) -> Vec<Socket> {
    // All live equally long.
    let age = |socket: &Socket| (socket.id == *newest, socket.expires_at, socket.id.clone());
    sockets.sort_by_key(|socket| std::cmp::Reverse(age(socket)));
    sockets.split_off(LIMIT.min(sockets.len()))
}

/// A connect that was judged and found good, up to whether its ticket is still there when it is used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The connection to note.
    pub socket: Socket,
}

/// Why a connect is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A page of somebody else asks, or no page at all.
    #[error("the origin is not allowed")]
    Origin,
    /// There is no ticket, it is unknown, used or too old, or its session is over.
    #[error("the ticket is not good")]
    Ticket,
}

impl Refused {
    /// As an HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Origin => 403,
            Self::Ticket => 401,
        }
    }
}

impl Admission {
    /// Whether a page of this origin may connect at all. A browser always says which page asks, and no page can lie about it; a ticket
    /// that leaked through a page is of no use elsewhere.
    ///
    /// # Errors
    /// [`Refused::Origin`].
    pub fn of_origin(origin: Option<&str>, is_allowed: impl Fn(&str) -> bool) -> Result<(), Refused> {
        origin.is_some_and(is_allowed).then_some(()).ok_or(Refused::Origin)
    }

    /// Judges a connect by what is stored of its ticket and of the ticket's session.
    ///
    /// # Errors
    /// [`Refused::Ticket`].
    pub fn of_ticket(
        id: SocketId,
        ticket: Option<Ticket>,
        session: Option<&Session>,
        now: DateTime<Utc>,
    ) -> Result<Self, Refused> {
        let ticket = ticket.filter(|ticket| now < ticket.expires_at).ok_or(Refused::Ticket)?;
        if !session.is_some_and(|session| session.is_alive(now)) {
            return Err(Refused::Ticket);
        }
        let Ticket { user, session, epoch, .. } = ticket;
        Ok(Self { socket: Socket { id, user, session, epoch, expires_at: now + LIFETIME } })
    }
}

#[cfg(test)]
mod tests {
    use contract::auth::SessionHandle;
    use domain::UserId;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::from_timestamp_millis(1_763_600_000_000).unwrap();

    #[test]
    fn only_a_page_of_ours_may_connect() {
        let ours = |origin: &str| origin == "https://app.example";
        assert_eq!(Admission::of_origin(Some("https://app.example"), ours), Ok(()));
        for foreign in [None, Some("null"), Some("https://evil.example"), Some("https://app.example.evil")] {
            assert_eq!(Admission::of_origin(foreign, ours), Err(Refused::Origin), "{foreign:?}");
        }
    }

    fn socket(number: usize, second: usize) -> Socket {
        Socket {
            id: SocketId::new(format!("c{number:02}")),
            user: UserId::new([1; 12]),
            session: SessionHandle::new([9; 16]),
            epoch: "e".into(),
            expires_at: NOW + TimeDelta::seconds(i64::try_from(second).unwrap()),
        }
    }

    fn surplus_of(sockets: Vec<Socket>, newest: usize) -> Vec<String> {
        let surplus = surplus(sockets, &socket(newest, 0).id);
        surplus.into_iter().map(|socket| socket.id.to_string()).collect()
    }

    #[test]
    fn the_oldest_connections_go_when_there_are_too_many() {
        // In whatever order the table has them.
        let one_a_second = |count| (0..count).rev().map(|number| socket(number, number)).collect();
        assert_eq!(surplus_of(one_a_second(LIMIT), LIMIT - 1), Vec::<String>::new());
        assert_eq!(surplus_of(one_a_second(LIMIT + 2), LIMIT + 1), ["c01", "c00"]);
    }

    #[test]
    fn a_connection_never_goes_for_its_own_sake_also_when_all_are_of_one_second() {
        for newest in 0..LIMIT + 3 {
            let surplus = surplus_of((0..LIMIT + 3).map(|number| socket(number, 7)).collect(), newest);
            assert_eq!(surplus.len(), 3);
            assert!(!surplus.contains(&format!("c{newest:02}")), "{newest}: {surplus:?}");
        }
    }

    #[test]
    fn a_ticket_is_good_for_a_minute_and_while_its_session_lives() {
        let handle = SessionHandle::new([9; 16]);
        let ticket = Ticket {
            user: UserId::new([1; 12]),
            session: handle,
            epoch: "e".into(),
            expires_at: NOW + TICKET_LIFETIME,
        };
        let alive = Session::begin(NOW, NOW + TimeDelta::days(1));
        let over = Session { expires_at: NOW, ..alive.clone() };
        let id = || SocketId::new("c1");
        let judge = |ticket, session, at| Admission::of_ticket(id(), ticket, session, at);
        let admitted = judge(Some(ticket.clone()), Some(&alive), NOW).unwrap();
        assert_eq!((admitted.socket.user, admitted.socket.session), (ticket.user, handle));
        for (ticket, session, at) in [
            (None, Some(&alive), NOW),
            (Some(ticket.clone()), None, NOW),
            (Some(ticket.clone()), Some(&over), NOW),
            (Some(ticket.clone()), Some(&alive), NOW + TICKET_LIFETIME),
        ] {
            assert_eq!(judge(ticket, session, at), Err(Refused::Ticket));
        }
    }
}
