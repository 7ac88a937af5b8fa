"""The router: an OpenAI API in front of the tiers, a raw ASGI app with an aiohttp client."""
