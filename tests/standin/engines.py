"""Docker Engines behind the stand-in: one in memory, one that is real.

Both answer the three requests that HaRP sends to Docker for a client: inspect an image, delete an image,
inspect a container; as (status, value), the value as Docker's JSON has it.
"""

import asyncio
import copy
import hashlib
import itertools
import json
import posixpath
import re
import time
import urllib.parse

# github.com/distribution/reference, as far as a name, a tag and a digest go.
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
REFERENCE = re.compile(
    rf"(?:{HOST}/)?{COMPONENT}(?:/{COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)
ID = re.compile(r"(?:sha256:)?([0-9a-f]{4,64})")


LONG_AGO = 1577836800.0  # 2020: a tag that no event precedes


NAME_MAX = 255


class EngineDown(Exception):
    """Nothing listens where the engine should be."""


class EngineBroken(Exception):
    """Something listens, and what it says is no answer."""


def split_tag(name):
    """(repository, tag or "")"""
    head, colon, last = name.rpartition(":")
    return (head, last) if colon and "/" not in last else (name, "")


def canonical(reference):
    """The form in which Docker lists a name: no default host, always a tag or a digest (which outdoes a tag)."""
    for prefix in ("docker.io/library/", "docker.io/", "library/"):
        reference = reference.removeprefix(prefix)
    name, at_sign, digest = reference.partition("@")
    repository, tag = split_tag(name)
    return f"{repository}@{digest}" if at_sign else f"{repository}:{tag or 'latest'}"


def repository_of(name):
    return split_tag(name.partition("@")[0])[0]


def is_single(names):
    """Docker's condition for letting a whole image go at once: one tag at most, and one repository."""
    tags = [name for name in names if "@" not in name]
    return len(names) <= 1 or len(tags) <= 1 and len({repository_of(name) for name in names}) == 1


def full_length(reference):
    """Of the name with the host that Docker puts before it."""
    repository = repository_of(reference)
    first, slash, _ = repository.partition("/")
    if not slash:
        return len("docker.io/library/" + repository)
    return len(repository if "." in first or ":" in first or first == "localhost" else "docker.io/" + repository)


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when % 1 * 1e9):09d}Z"


class MemoryEngine:
    """Images and containers with Docker's rules for deleting them."""

    def __init__(self):
        self.images = {}  # ID: {"size", "tags", "digests", "last_tag"}
        self.tagged = {}  # tag: ID of the image that has it
        self.containers = {}  # name: {"image", "ref", "status"}
        self._numbers = itertools.count(1)
        self._remembered = ({}, {}, {})

    # What tests do.

    def forget(self):
        """As if it had just been installed."""
        self.images.clear()
        self.tagged.clear()
        self.containers.clear()

    def add_image(self, names, size, digests=None, last_tag=None, image_id=None):
        image_id = image_id or "sha256:" + hashlib.sha256(f"image {next(self._numbers)}".encode()).hexdigest()
        if digests is None:
            digests = [f"{canonical(name).rsplit(':', 1)[0]}@sha256:{image_id[7:][::-1]}" for name in names[:1]]
        self.images[image_id] = {"size": size, "tags": [], "digests": digests, "last_tag": 0.0}
        for name in names:
            self.tag(image_id, name, LONG_AGO if last_tag is None else last_tag)
        return image_id

    def add_images(self, names, size):
        """Many at once, each with one name."""
        for name in names:
            self.add_image([name], size)

    def tag(self, image, name, when=None):
        """Gives a name, taking it from the image that had it."""
        image_id = image if image in self.images else self._find(image)[0]
        name = canonical(name)
        if name in self.tagged:
            self.untag(name)
        self.tagged[name] = image_id
        self.images[image_id]["tags"].append(name)
        self.images[image_id]["last_tag"] = time.time() if when is None else when

    def untag(self, name):
        self.images[self.tagged.pop(canonical(name))]["tags"].remove(canonical(name))

    def drop_image(self, image):
        self._forget(self._find(image)[0])

    def _forget(self, image_id):
        for name in self.images.pop(image_id)["tags"]:
            del self.tagged[name]

    def add_container(self, image, name, status="running"):
        self.containers[name] = {"image": self._find(image)[0], "ref": image, "status": status}

    def drop_container(self, name):
        del self.containers[name]

    def image_list(self):
        return {image_id: list(image["tags"]) for image_id, image in self.images.items()}

    def remember(self):
        """What is there now, for recall()."""
        self._remembered = copy.deepcopy((self.images, self.tagged, self.containers))

    def recall(self):
        """As it was when it was told to remember."""
        self.images, self.tagged, self.containers = copy.deepcopy(self._remembered)

    # What HaRP asks.

    def _find(self, reference):
        name = canonical(reference)
        image_id = self.tagged.get(name)
        if image_id is None and "@" in name:  # a look at every image, which tests with very many of them avoid
            image_id = next((number for number, image in self.images.items() if name in image["digests"]), None)
        if image_id is not None:
            return image_id, self.images[image_id]
        match = ID.fullmatch(reference)
        if match:
            found = [image_id for image_id in self.images if image_id[7:].startswith(match.group(1))]
            if len(found) == 1:
                return found[0], self.images[found[0]]
        return None, None

    @staticmethod
    def _is_valid(reference):
        if ID.fullmatch(reference):
            return True
        return REFERENCE.fullmatch(reference) is not None and full_length(reference) <= NAME_MAX

    @staticmethod
    def _as_routed(reference):
        """What is left of it after its way through a URL; None where that leads elsewhere."""
        path = posixpath.normpath("/images/" + reference) + "/"
        return path[len("/images/"):-1] if path.startswith("/images/") and "\n" not in path else None

    async def ping(self):
        return 200, "OK"

    async def inspect_image(self, reference):
        reference = self._as_routed(reference)
        if reference is None:
            return 404, {"message": "page not found"}
        if not self._is_valid(reference):
            return 400, {"message": "invalid reference format"}
        image_id, image = self._find(reference)
        if image is None:
            return 404, {"message": f"no such image: {reference}: No such image: {canonical(reference)}"}
        return 200, {
            "Id": image_id,
            "RepoTags": list(image["tags"]),
            "RepoDigests": list(image["digests"]),
            "Size": image["size"],
            "Metadata": {"LastTagTime": stamp(image["last_tag"]) if image["last_tag"] else "0001-01-01T00:00:00Z"},
        }

    async def delete_image(self, reference):
        """As ImageDelete() in moby's daemon/images/image_delete.go, without force."""
        status, value = await self.inspect_image(reference)
        if status != 200:
            return status, value
        reference = self._as_routed(reference)
        image_id = value["Id"]
        image = self.images[image_id]
        name = canonical(reference)
        by_name = name in image["tags"] or name in image["digests"]
        used = any(container["image"] == image_id for container in self.containers.values())
        if not is_single(image["tags"] + image["digests"]):
            if not by_name:
                return 409, {"message": f"conflict: unable to delete {image_id[7:19]} (must be forced) - image is"
                                        " referenced in multiple repositories"}
        elif used:
            return 409, {"message": f"conflict: unable to remove {reference}: container is using it"}
        gone = self._forget_name(image, name) if by_name else image["tags"] + image["digests"]
        untagged = [{"Untagged": one} for one in gone]
        if by_name and (image["tags"] or image["digests"]):
            return 200, untagged
        self._forget(image_id)
        return 200, untagged + [{"Deleted": image_id}]

    def _forget_name(self, image, name):
        """Takes a name from an image, and a repository's digests with its last tag; returns what went."""
        gone = [name]
        repository = repository_of(name)
        if name in image["tags"]:
            self.untag(name)
            if repository not in map(repository_of, image["tags"]):
                gone += [digest for digest in image["digests"] if repository_of(digest) == repository]
        image["digests"] = [digest for digest in image["digests"] if digest not in gone]
        return gone

    async def inspect_container(self, name):
        container = self.containers.get(name)
        if container is None:
            return 404, {"message": f"No such container: {name}"}
        return 200, {
            "Image": container["image"],
            "Config": {"Image": container["ref"]},
            "State": {"Status": container["status"]},
        }


class DockerEngine:
    """A real Docker Engine on a unix socket."""

    def __init__(self, path):
        self.path = path

    def forget(self):
        """What it has is its own."""

    async def _ask(self, method, path, may_follow=True):
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
        except OSError as error:
            raise EngineDown(str(error)) from error
        try:
            path = urllib.parse.urljoin("/", path)  # HaRP's agent takes dots out of a path, too
            writer.write(f"{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            data = await reader.read()
        except ConnectionError as error:
            raise EngineBroken(str(error)) from error
        finally:
            writer.close()
        head, _, body = data.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if status is None or length is not None and int(length.group(1)) != len(body):
            raise EngineBroken("not an answer, or not all of it")
        moved = re.search(rb"\r\nlocation: *(/\S*)", head, re.IGNORECASE)
        if moved is not None and status.group(1) == b"301" and may_follow:  # as HaRP's agent does
            return await self._ask(method, moved.group(1).decode(), may_follow=False)
        try:
            return int(status.group(1)), json.loads(body)
        except ValueError:
            return int(status.group(1)), body.decode("utf-8", "replace")

    async def ping(self):
        return await self._ask("GET", "/_ping")

    async def inspect_image(self, reference):
        return await self._ask("GET", f"/images/{urllib.parse.quote(reference)}/json")

    async def delete_image(self, reference):
        return await self._ask("DELETE", f"/images/{urllib.parse.quote(reference)}")

    async def inspect_container(self, name):
        return await self._ask("GET", f"/containers/{urllib.parse.quote(name, safe='')}/json")


def make(word):
    """An engine from the command line: "memory" or "docker:PATH"."""
    if word == "memory":
        return MemoryEngine()
    kind, _, path = word.partition(":")
    if kind != "docker" or not path:
        raise ValueError(f"{word}: memory or docker:SOCKET")
    return DockerEngine(path)
