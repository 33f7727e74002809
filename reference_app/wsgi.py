"""What every server loads: `reference_app.wsgi:application`."""

from reference_app.application import create_app

application = create_app()
