"""`make-an-agent web`: a page to try it on."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Web:
    """Serve a page on which demonstrations are chosen or uploaded, and policies made and watched.

    Example: make-an-agent web --port 8000
    """

    host: str = "127.0.0.1"
    "Where to listen: this machine alone, or with 0.0.0.0 all that can reach it."
    port: int = 7860
    "Port to listen on; 0 for any that is free."
    generators: tuple[str, ...] = ("metaworld", "metaworld-41")
    "Generators to offer: bundled ones, their folders, or Hugging Face hub ids."
    max_upload: int = 64
    "Megabytes that an upload may have; unpacked, four times as many."
    max_seconds: int = 600
    "Seconds for which a visitor's policies may be played."
    workers: int | None = None
    "How many processes play; by default one for each processor."

    def run(self) -> None:
        """Serve until Ctrl-C."""
        from importlib.util import find_spec

        from makeanagent.cli.checks import require_at_least
        from makeanagent.errors import InputError

        require_at_least("--max-upload", self.max_upload, 1)
        require_at_least("--max-seconds", self.max_seconds, 1)
        if self.workers is not None:
            require_at_least("--workers", self.workers, 1)
        if not find_spec("starlette") or not find_spec("uvicorn"):
            raise InputError("web: needs its libraries: pip install 'makeanagent[web]'")
        print("loading ...", flush=True)
        from makeanagent.web.server import serve
        from makeanagent.web.studio import StudioConfig

        config = StudioConfig(
            generators=self.generators,
            max_upload=self.max_upload,
            max_seconds=self.max_seconds,
            num_workers=self.workers,
        )
        try:
            serve(
                config,
                self.host,
                self.port,
                lambda address: print(f"{address}: open it in a browser; Ctrl-C stops", flush=True),
            )
        except KeyboardInterrupt:
            print("stopped; nothing of visitors is left")
