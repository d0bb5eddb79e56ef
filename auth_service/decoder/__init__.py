"""Looks at photos in processes of their own, which may use up only so much: whatever is sent, the web goes on.

client.py   in our process: hands a photo over, and tells whose answer it is when none comes
process.py  a fork server: it has opencv, numpy and Pillow loaded, and makes a process for each photo, which then ends

docs/decisions/0019-a-process-for-every-photo.md says why.
"""

from auth_service.decoder.client import Decoder

__all__ = ["Decoder"]
