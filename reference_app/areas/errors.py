from reference_app.api import Flask
def register(app: Flask) -> None: pass
