//! What somebody asks of the hub in one step of a history: every command that a user has, and what the model reads to compare.

use latchkey::service::stays::Answer;
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, HoldRef, Pay};
use latchkey_protocol::rest::{CreateBlock, GiveRefund, ProposeAlteration, ReadMessages, ReplyToReview, SendMessage, WriteReview};
use latchkey_protocol::{BlockId, BookingId, PaymentId, PropertyId, ReviewId};

/// A command without a body on a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Accept,
    Decline,
    Cancel,
    CheckIn,
    CheckOut,
    LeaveEarly,
    NoShow,
}

impl Word {
    pub(super) const ALL: [Self; 7] =
        [Self::Accept, Self::Decline, Self::Cancel, Self::CheckIn, Self::CheckOut, Self::LeaveEarly, Self::NoShow];

    /// Its part of the path.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
            Self::CheckIn => "check-in",
            Self::CheckOut => "check-out",
            Self::LeaveEarly => "early-departure",
            Self::NoShow => "no-show",
        }
    }
}

/// A command or a question.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Quote(AskQuote),
    Hold(HoldDates),
    Extend(HoldRef),
    Release(HoldRef),
    Book(BookHold),
    Pay(Pay),
    Refresh(PaymentId),
    Stay(BookingId, Word),
    Propose(BookingId, ProposeAlteration),
    Answer(BookingId, u32, Answer),
    GiveRefund(PaymentId, GiveRefund),
    Send(BookingId, SendMessage),
    ReadMessages(BookingId, ReadMessages),
    Review(BookingId, WriteReview),
    Reply(ReviewId, ReplyToReview),
    /// Marks the newest notification and all before it as read.
    ReadNotifications,
    Block(PropertyId, CreateBlock),
    Unblock(PropertyId, BlockId),
    Publish(PropertyId),
    Unlist(PropertyId),
    FindHold(HoldRef),
    FindBooking(BookingId),
    FindThread(BookingId),
    Cancellation(BookingId),
    Payments(BookingId),
    Reviews(BookingId),
    Calendar(PropertyId),
}

impl Ask {
    /// Whether it is said with an idempotency key.
    pub(super) const fn is_keyed(&self) -> bool {
        match self {
            Self::Hold(_) | Self::Extend(_) | Self::Release(_) | Self::Book(_) | Self::Pay(_) => true,
            Self::Stay(..) | Self::Propose(..) | Self::Answer(..) | Self::GiveRefund(..) => true,
            Self::Send(..) | Self::Review(..) | Self::Reply(..) | Self::Block(..) => true,
            Self::Quote(_) | Self::Refresh(_) | Self::ReadMessages(..) | Self::ReadNotifications => false,
            Self::Unblock(..) | Self::Publish(_) | Self::Unlist(_) => false,
            Self::FindHold(_) | Self::FindBooking(_) | Self::FindThread(_) | Self::Cancellation(_) => false,
            Self::Payments(_) | Self::Reviews(_) | Self::Calendar(_) => false,
        }
    }

    /// Whether a repetition answers with what was made as it is by now, so that only its name is the same.
    pub(super) const fn answers_anew(&self) -> bool {
        matches!(self, Self::Pay(_) | Self::Send(..) | Self::Review(..) | Self::Reply(..))
    }
}
