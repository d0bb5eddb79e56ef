"""Everything that auth refuses. The name of a class tells programs what its text tells people."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis.errors import N_ as N_  # the rules in domain/ mark their texts with it, too
from chassis.errors import Conflict, Invalid, NotFound, TooManyRequests, Unauthorized, Unavailable
from chassis.errors import ServiceError as ServiceError

_CANNOT_BE_READ = N_("The photo cannot be read")


class UnsupportedPhoto(ServiceError):
    """What was sent does not even claim to be a PNG or a JPEG, or claims to be the other one."""

    status = 415
    title = N_("This kind of photo cannot be read")

    def __init__(self) -> None:
        super().__init__(N_("Only PNG and JPEG photos can be read."))


class PhotoTooLarge(ServiceError):
    """More bytes or more pixels than a photo of a beak needs."""

    status = 413
    title = N_("The photo is too large")

    def __init__(self, *, megabytes: int, megapixels: int) -> None:
        """Take what would be accepted."""
        message = N_("A photo may have up to %(megabytes)d MB and %(megapixels)d million pixels.")
        super().__init__(message, megabytes=megabytes, megapixels=megapixels)


class UnusablePhoto(Invalid):
    """No beak can be recognised in the photo. The subclasses say why."""

    title = N_("The beak cannot be recognised")
    explanation = ""

    def __init__(self) -> None:
        super().__init__(self.explanation, errors={"photo": [self.explanation]})


class NoPhoto(UnusablePhoto):
    """The form came without one."""

    title = N_("There is no photo")
    explanation = N_("Choose a photo first, or take one.")


class NotAPicture(UnusablePhoto):
    """The bytes are no picture, or a damaged one."""

    title = _CANNOT_BE_READ
    explanation = N_("This is not a picture, or it is damaged.")


class MovingPicture(UnusablePhoto):
    """An animation has no single beak."""

    title = _CANNOT_BE_READ
    explanation = N_("This is an animation. Send a single picture.")


class TooMuchWork(UnusablePhoto):
    """To decode the picture, or to find a beak in it, takes more time or memory than a photo does."""

    title = _CANNOT_BE_READ
    explanation = N_("This picture takes too much work to look at. Save it as an ordinary JPEG and try again.")


class NoBeakVisible(UnusablePhoto):
    """Nothing in the picture is shaped like a beak."""

    explanation = N_("No beak can be seen. It has to stand out from everything around it.")


class BeakTooSmall(UnusablePhoto):
    """There is something, but too few pixels of it."""

    explanation = N_("The beak is too small. Come closer.")


class BeakCutOff(UnusablePhoto):
    """The beak runs out of the picture."""

    explanation = N_("The beak is cut off by the edge. The whole beak has to be in the picture.")


class PhotoBlurred(UnusablePhoto):
    """The edges are too soft to tell the shape."""

    explanation = N_("The photo is blurred. Hold still and try again.")


class SeveralBeaks(UnusablePhoto):
    """Two shapes could be the beak."""

    explanation = N_("More than one beak can be seen. Only one parrot at a time.")


class TooManyPhotos(Unavailable):
    """As many photos as can be looked at are being looked at, or nobody is there to do so."""

    retry_after = 2

    def __init__(self) -> None:
        super().__init__(N_("No more photos can be looked at just now. Try again in a moment."))


class TooManyRefusals(TooManyRequests):
    """Photos were refused so often that the next one is not looked at."""

    def __init__(self, *, seconds: int) -> None:
        """Take when it is worth another try."""
        super().__init__(N_("Too many photos were refused. Try again in %(seconds)d seconds."), seconds=seconds)
        self.retry_after = seconds


class UnknownBeak(Unauthorized):
    """A beak that was never enrolled."""

    title = N_("Unknown beak")

    def __init__(self) -> None:
        super().__init__(N_("Nobody here has a beak like this."))


class AmbiguousBeak(Unauthorized):
    """Two people's beaks fit almost equally well, so nobody is let in."""

    title = N_("Unknown beak")

    def __init__(self) -> None:
        super().__init__(N_("This could be the beak of more than one of us. Try another photo."))


class UserIsBlocked(Unauthorized):
    """The beak was recognised, and its owner is blocked."""

    title = N_("You are blocked")

    def __init__(self, user_id: UUID) -> None:
        """Take whose beak it was."""
        super().__init__(N_("You were blocked: only an administrator can unblock you."))
        self.user_id = user_id


class BeakTaken(Conflict):
    """Nobody could tell the two apart."""

    def __init__(self) -> None:
        message = N_("Somebody else has a beak like this: the two could not be told apart.")
        super().__init__(message, errors={"photo": [message]})


class UserNotFound(NotFound):
    """No user has this id."""

    def __init__(self) -> None:
        super().__init__(N_("There is no such user."))


class NobodyOfTheseRoles(NotFound):
    """Nobody active has one of the roles asked for."""

    def __init__(self) -> None:
        super().__init__(N_("No active user has one of these roles."))


class InvalidUser(Invalid):
    """A name, an e-mail address or a role breaks a rule."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Take what is wrong, by field."""
        super().__init__(N_("The user cannot be saved like this."), errors=errors)


class EmailTaken(Conflict):
    """An e-mail address belongs to one user, however it is capitalised."""

    def __init__(self) -> None:
        message = N_("Another user has this e-mail address.")
        super().__init__(message, errors={"email": [message]})


class LastAdmin(Conflict):
    """Without an administrator who has a beak nobody could ever be let in again."""

    def __init__(self) -> None:
        super().__init__(
            N_("This is the last active administrator with a beak, who can be neither blocked nor given another role.")
        )


class UnreadableImport(Invalid):
    """The file of an import cannot be read, or some of its rows break a rule; nothing was imported."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        """Take what is wrong, by row or by file."""
        super().__init__(N_("Nothing was imported."), errors=errors)
